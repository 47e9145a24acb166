import { rename, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectKept } from "../chaos/audit.ts";
import { load, sumOf, surviveSuccession, untilMore, uploadDuring } from "../chaos/succession.ts";
import { readLockFile } from "../../src/db/postmaster.ts";
import { Product } from "../chaos/product.ts";
import { Writers } from "../chaos/writers.ts";
import { isAlive } from "../support/is-alive.ts";
import { connectTo, measurementsOf } from "../support/listen.ts";
import { waitUntil } from "../support/wait-until.ts";
import { freePort } from "../support/free-port.ts";
import { openChance } from "../support/random.ts";

describe("two processes", () => {
  let product: Product;
  let writers: Writers;
  beforeAll(async () => {
    product = await Product.create(undefined, { WEB_CONCURRENCY: "2" });
    await product.start();
    writers = new Writers(openChance(), await product.createCells(3));
  });
  afterAll(async () => await product.discard());

  /** Waits until there are two of them that are others than some. */
  async function untilOthersThan(before: readonly number[]): Promise<void> {
    const there = async () => (await product.processes()).filter((pid) => !before.includes(pid));
    await waitUntil(async () => (await there()).length === 2);
  }

  async function reload(): Promise<void> {
    const { length } = product.output;
    process.kill(product.pid, "SIGHUP");
    await waitUntil(() => product.output.slice(length).includes("Reloaded: 2 new processes"));
  }

  it("are replaced one after the other under 500 uploads a second: none is lost, none refused", async () => {
    const before = await product.processes();
    expect(before).toHaveLength(2);
    expect(await uploadDuring(product, writers, reload)).toEqual({ 200: expect.any(Number) });
    await untilOthersThan(before);
    expect(await product.processes()).toHaveLength(2);
  }, 60_000);

  it("go on when one is killed under uploads: nothing acknowledged is lost, and another one comes", async () => {
    const [killed = 0, stays = 0] = await product.processes();
    const statuses = await uploadDuring(product, writers, async () => {
      process.kill(killed, "SIGKILL");
      await untilOthersThan([killed]);
    });
    // What was under way there; each node came again.
    const { 200: taken = 0, none = 0, ...others } = statuses;
    expect(taken).toBeGreaterThan(none);
    expect(none).toBeLessThanOrEqual(load.nodes);
    expect(others).toEqual({});
    expect(await product.processes()).toContain(stays);
  }, 60_000);

  it("are counted together, also those that are gone", async () => {
    const count = async () => {
      // On a connection of its own: one that is kept may end with the process that has it.
      const options = { headers: { Connection: "close" } };
      const text = await (await fetch(`${product.url}/metrics`, options)).text();
      const lines = text.split("\n").filter((line) => line.startsWith("ents_uploads_total{"));
      return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    const before = await count();
    const uploads = sumOf(await uploadDuring(product, writers, async () => {}));
    expect((await count()) - before).toBe(uploads);
    await reload();
    expect((await count()) - before).toBe(uploads);
    const [killed = 0] = await product.processes();
    process.kill(killed, "SIGKILL");
    await untilOthersThan([killed]);
    expect((await count()) - before).toBe(uploads);
  }, 60_000);

  it("aren't replaced by such that can't start", async () => {
    const before = await product.processes();
    const moved = `${product.directory}/journal`;
    await rename(moved, `${moved}.away`);
    await writeFile(moved, "in the way");
    process.kill(product.pid, "SIGHUP");
    await waitUntil(() => product.complaint.includes("Not reloaded"));
    await rm(moved);
    await rename(`${moved}.away`, moved);
    expect(new Set(await product.processes())).toEqual(new Set(before));
    expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  }, 60_000);

  it.each(["begins", "has begun all of them"])(
    "are all gone, and their database too, when they are told to stop while a reload %s",
    async (moment) => {
      const before = await product.processes();
      const { length } = product.output;
      const complained = product.complaint.length;
      process.kill(product.pid, "SIGHUP");
      await waitUntil(() => product.output.slice(length).includes("Reloading"));
      if (moment !== "begins") await untilOthersThan(before);
      const { pid = 0 } = (await readLockFile(`${product.directory}/postgres`)) ?? {};
      expect(await product.stop()).toBe(0);
      expect(isAlive(pid)).toBe(false);
      expect(product.output.slice(length)).not.toContain("Reloaded");
      expect(product.complaint.slice(complained)).toBe("");
      await product.start();
    },
    60_000,
  );

  it("answer what is under way when they are told to stop, and leave nothing behind", async () => {
    const stop = new AbortController();
    const written = writers.run(product.url, stop.signal, load);
    await untilMore(writers);
    const processes = await product.processes();
    expect(await product.stop()).toBe(0);
    stop.abort();
    await written;
    expect(processes.filter(isAlive)).toEqual([]);
    const acknowledged = writers.ledger.freeze();
    await product.start();
    await expectKept(product, writers.ledger, acknowledged);
  }, 60_000);
});

// npm run test:chaos does it with two processes too, again and again.
describe("a server of one process", () => {
  it("is succeeded by another one at the same port under 500 uploads a second: all are stored", async () => {
    await surviveSuccession(openChance(), 1);
  }, 60_000);
});

describe("two processes and who listens", () => {
  let product: Product;
  beforeAll(async () => {
    const settings = { WEB_CONCURRENCY: "2", PORT: String(await freePort()) };
    product = await Product.create(undefined, settings);
    await product.start();
  });
  afterAll(async () => await product.discard());

  it("tell everyone who listens, however they ask, and whichever of them it comes to", async () => {
    const [cellId = 0] = await product.createCells(1);
    const ways = [["polling"], ["polling", "websocket"], ["websocket"]];
    const dashboards = await Promise.all(
      Array.from({ length: 12 }, async (_, nth) => {
        const transports = ways[nth % ways.length]!;
        return await connectTo(product.url, { transports, reconnection: false });
      }),
    );
    for (const dashboard of dashboards)
      expect(await dashboard.ask("subscribe_cells", { cellIds: [cellId] })).toMatchObject({
        cellIds: [cellId],
      });
    const streams = await Promise.all(
      Array.from(
        { length: 4 },
        async () => await openStream(`${product.url}/api/live?cells=${cellId}`),
      ),
    );
    const sent = Array.from({ length: 20 }, (_, nth) => 1_705_316_400 + nth);
    await Promise.all(sent.map((ts) => upload(cellId, ts)));
    for (const dashboard of dashboards) {
      const { heard } = dashboard;
      await waitUntil(() => measurementsOf(heard).length >= sent.length);
      const timestamps = measurementsOf(heard).map(({ timestamp }) => Number(timestamp));
      expect(timestamps.toSorted((a, b) => a - b)).toEqual(sent);
      dashboard.close();
    }
    for (const stream of streams) {
      await waitUntil(
        () => stream.text().split("event: measurement_received").length > sent.length,
      );
      for (const ts of sent) expect(stream.text()).toContain(`"timestamp":${ts}`);
      stream.close();
    }
  }, 60_000);

  /** On a connection of its own. */
  async function upload(cellId: number, ts: number): Promise<void> {
    const body = { type: "yfs210c", cellId, loggerId: 1, ts, data: { flow: 1 } };
    const headers = { "Content-Type": "application/json", Connection: "close" };
    const options = { method: "POST", headers, body: JSON.stringify(body) };
    expect((await fetch(`${product.url}/api/sensor_json/`, options)).status).toBe(200);
  }

  it("end with the one that began them; a new one takes their port at once, and nobody else does", async () => {
    const before = await product.processes();
    await product.kill();
    await product.start();
    await waitUntil(() => !before.some(isAlive));
    const { port } = new URL(product.url);
    const stranger = await Product.create(undefined, { WEB_CONCURRENCY: "2", PORT: port });
    await expect(stranger.launch()).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
    await rm(stranger.directory, { recursive: true });
    expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  }, 60_000);
});

/** Listens by Server-Sent Events, once it is told that it does. */
async function openStream(url: string) {
  const over = new AbortController();
  const { body } = await fetch(url, { signal: over.signal });
  let heard = "";
  const read = async () => {
    for await (const bytes of body!) heard += Buffer.from(bytes).toString();
  };
  void read().catch(() => {});
  await waitUntil(() => heard.includes("event: subscribed"));
  return { text: () => heard, close: () => over.abort() };
}
