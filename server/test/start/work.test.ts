import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { newApiKey } from "../../src/auth/keys.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { createCell } from "../../src/store/cells.ts";
import { createUser } from "../../src/store/users.ts";
import { isAlive } from "../support/is-alive.ts";
import { useDatabase } from "../support/database.ts";
import { hasRedis, TestRedis } from "../support/redis.ts";

const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const database = useDatabase();
const running: ChildProcess[] = [];
let directory = "";
let key = "";
let cellId = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ents-work-"));
  const name = "ada";
  const { id: userId } = await createUser(database.db, {
    email: "ada@example.org",
    firstName: name,
    lastName: name,
  });
  key = newApiKey();
  const scopes = ["read"];
  await createApiKey(database.db, { userId, name, key, shownLength: 9, scopes, now: 0 });
  cellId = (await createCell(database.db, { name, uploadPolicy: "open" })).id;
});
afterAll(async () => await rm(directory, { recursive: true }));
afterEach(async () => {
  for (const child of running.splice(0)) await end(child, "SIGTERM");
});

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

/** Begins a command, and answers what it has printed once that matches. */
async function run(
  command: string,
  until: RegExp,
  settings: Record<string, string> = {},
): Promise<{ child: ChildProcess; found: string }> {
  const own = { DATABASE_URL: database.url, DATA_DIR: directory, PORT: "0", LOG_LEVEL: "silent" };
  const child = spawn(process.execPath, [program, command], {
    env: { ...process.env, ...own, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const found = until.exec(line)?.[1];
    if (found !== undefined) return { child, found };
  }
  throw new Error(`${command} ended without a word`);
}

const listens = /listens on (\S+)/;
const works = /does tasks, (\d+) at a time/;

async function ask(url: string): Promise<string> {
  const response = await fetch(`${url}/api/tasks`, {
    method: "POST",
    headers: { "X-API-Key": key, "Content-Type": "application/json" },
    body: JSON.stringify({ kind: "export", params: { cells: [cellId], format: "csv" } }),
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: string }).id;
}

async function stateOf(url: string, id: string): Promise<string> {
  const response = await fetch(`${url}/api/tasks/${id}`, { headers: { "X-API-Key": key } });
  return ((await response.json()) as { state: string }).state;
}

function workersOf({ pid }: ChildProcess): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" });
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, ...args]) => Number(parent) === pid && args.at(-1) === "work")
    .map(([child]) => Number(child));
}

describe("ents-backend start", () => {
  it("does tasks in a process of its own, begins it again when it dies, and ends it with itself", async () => {
    const { child, found: url } = await run("start", listens);
    const id = await ask(url);
    await expect.poll(() => stateOf(url, id), { timeout: 20_000 }).toBe("SUCCESS");
    const [first] = workersOf(child);
    process.kill(first!, "SIGKILL");
    const next = await ask(url);
    await expect.poll(() => stateOf(url, next), { timeout: 30_000 }).toBe("SUCCESS");
    const [second] = workersOf(child);
    expect(second).not.toBe(first);
    await end(child, "SIGTERM");
    expect(child.exitCode).toBe(0);
    expect(isAlive(second!)).toBe(false);
  }, 60_000);

  it("leaves no worker behind when it is killed", async () => {
    const { child, found: url } = await run("start", listens);
    const id = await ask(url);
    await expect.poll(() => stateOf(url, id), { timeout: 20_000 }).toBe("SUCCESS");
    const [worker] = workersOf(child);
    await end(child, "SIGKILL");
    await expect.poll(() => isAlive(worker!), { timeout: 10_000 }).toBe(false);
  }, 60_000);

  it("leaves tasks to other processes with WORKER=false", async () => {
    const { child, found: url } = await run("start", listens, { WORKER: "false" });
    const id = await ask(url);
    expect(workersOf(child)).toEqual([]);
    expect(await stateOf(url, id)).toBe("PENDING");
    await run("work", works);
    await expect.poll(() => stateOf(url, id), { timeout: 20_000 }).toBe("SUCCESS");
  }, 60_000);
});

describe.skipIf(!hasRedis)("ents-backend work", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(async () => await redis.remove());

  it("does what an API asks for by way of Redis, in as many processes as there are", async () => {
    const settings = { REDIS_URL: redis.url };
    const { found: url } = await run("start", listens, { ...settings, WORKER: "false" });
    const ids = [await ask(url), await ask(url)];
    await Promise.all([run("work", works, settings), run("work", works, settings)]);
    for (const id of ids)
      await expect.poll(() => stateOf(url, id), { timeout: 20_000 }).toBe("SUCCESS");
  }, 60_000);
});
