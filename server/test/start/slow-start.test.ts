import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Product } from "../chaos/product.ts";
import { readLockFile } from "../../src/db/postmaster.ts";
import { isAlive } from "../support/is-alive.ts";
import { untilReady } from "../support/ready.ts";

let product: Product;
beforeEach(async () => {
  product = await Product.create();
  await product.start();
});
afterEach(async () => {
  await product.signalDatabase("SIGCONT").catch(() => undefined);
  await product.discard();
});

const ts = 1_705_316_400;

async function upload(at: number): Promise<number> {
  const data = { voltage: 1, current: 0.001 };
  const body = JSON.stringify({ type: "power", cellId: 1, loggerId: 1, ts: ts + at, data });
  const headers = { "Content-Type": "application/json" };
  return (await fetch(`${product.url}/api/sensor/`, { method: "POST", headers, body })).status;
}

async function readPower() {
  const span = "startTime=0&endTime=2000000000&resample=none&timestamps=unix";
  const answer = await fetch(`${product.url}/api/power/1?${span}`);
  return { status: answer.status, body: (await answer.json()) as object };
}

/** The server is gone, and the database that it left doesn't move. */
async function freeze(): Promise<void> {
  await product.kill();
  await product.signalDatabase("SIGSTOP");
}

/** The server is gone, and someone holds a lock in its database that a start needs; answers what lets go of it. */
async function lock(): Promise<() => Promise<void>> {
  await product.kill();
  const client = new Client({ connectionString: await product.databaseUrl() });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("begin");
  await client.query("lock table kysely_migration in access exclusive mode");
  return async () => await client.end();
}

describe("ents-backend start, whose embedded database takes long to come", () => {
  it("takes uploads at once, says so, and stores them and shows an example when it is there", async () => {
    expect(await upload(0)).toBe(200);
    await freeze();
    await product.launch();
    const began_ms = performance.now();
    expect(await upload(1)).toBe(200);
    expect(performance.now() - began_ms).toBeLessThan(5000);
    const ready = await fetch(`${product.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ status: "journaling", database: "away" });
    expect(await readPower()).toMatchObject({ status: 503, body: { code: "database_away" } });
    expect(product.output).not.toContain("Upload a reading");

    await product.signalDatabase("SIGCONT");
    await untilReady(product.url);
    const stored = async () => (await readPower()).body;
    await expect
      .poll(stored, { timeout: 15_000 })
      .toMatchObject({ timestamp: [ts, ts + 1], v: [1000, 1000] });
    await expect.poll(() => product.output, { timeout: 15_000 }).toContain("Upload a reading");
    expect(product.output.match(/listens on/g)).toHaveLength(1);
  }, 60_000);

  it("ends at once where it can never start, and says why", async () => {
    await product.stop();
    const file = join(product.directory, "postgres", "PG_VERSION");
    const version = await readFile(file);
    await writeFile(file, "9.4\n");
    await expect(product.launch()).rejects.toThrow("the server didn't start");
    expect(product.isAlive).toBe(false);
    expect(product.output).toBe("");
    expect(product.complaint).toContain("database files are incompatible with server");
    await writeFile(file, version);
  }, 60_000);

  it("stops when it is told to before that", async () => {
    await freeze();
    await product.launch();
    expect(await upload(2)).toBe(200);
    expect(await product.stop()).toBe(0);
    await product.signalDatabase("SIGCONT");
    await product.start();
    await expect
      .poll(async () => (await readPower()).body, { timeout: 15_000 })
      .toMatchObject({ timestamp: [ts + 2] });
  }, 60_000);
});

describe("ents-backend start, whose database is locked by someone", () => {
  it("takes uploads meanwhile, says so, and stores them once it isn't", async () => {
    expect(await upload(0)).toBe(200);
    const letGo = await lock();
    await product.launch();
    expect(await upload(1)).toBe(200);
    const ready = await fetch(`${product.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ status: "journaling", migrations: "pending" });
    await letGo();
    await untilReady(product.url);
    await expect
      .poll(async () => (await readPower()).body, { timeout: 15_000 })
      .toMatchObject({ timestamp: [ts, ts + 1], v: [1000, 1000] });
    await expect.poll(() => product.output, { timeout: 15_000 }).toContain("Upload a reading");
  }, 60_000);

  it("stops when it is told to, with its database, and keeps what it has taken", async () => {
    const letGo = await lock();
    const { pid = 0 } = (await readLockFile(join(product.directory, "postgres"))) ?? {};
    await product.launch();
    expect(await upload(2)).toBe(200);
    expect(await product.stop()).toBe(0);
    expect(product.output).toContain("Stopping …");
    expect(isAlive(pid)).toBe(false);
    await letGo();
    await product.start();
    await expect
      .poll(async () => (await readPower()).body, { timeout: 15_000 })
      .toMatchObject({ timestamp: [ts + 2] });
  }, 60_000);
});
