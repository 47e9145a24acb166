import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { isAlive } from "../support/is-alive.ts";
import { untilReady } from "../support/ready.ts";

const bin = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));

const running: ChildProcess[] = [];
const directories: string[] = [];

afterEach(async () => {
  for (const child of running.splice(0).filter(({ exitCode }) => exitCode === null)) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

/** A server of its own with an embedded database of its own, as it is started on a machine. */
async function start() {
  const { child, dataDir } = await begin({ PORT: "0" });
  const url = await shownBy(child, /listens on (\S+)/);
  await untilReady(url);
  return { child, dataDir, url };
}

async function begin(settings: Readonly<Record<string, string>>) {
  const dataDir = await mkdtemp(join(tmpdir(), "ents-start-"));
  directories.push(dataDir);
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [bin, "start"], {
    env: { ...env, DATA_DIR: dataDir, LOG_LEVEL: "silent", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  return { child, dataDir };
}

/** What a line that it prints says. */
async function shownBy({ stdout }: ChildProcess, pattern: RegExp): Promise<string> {
  for await (const line of createInterface({ input: stdout! })) {
    const shown = pattern.exec(line)?.[1];
    if (shown !== undefined) return shown;
  }
  throw new Error("the server didn't start");
}

async function postmasterOf(dataDir: string): Promise<number> {
  const file = await readFile(join(dataDir, "postgres/postmaster.pid"), "utf8").catch(() => "0");
  return Number.parseInt(file, 10);
}

/** Uploads a voltage and a current; answers whether that was acknowledged. */
async function upload(url: string, ts: number): Promise<boolean> {
  const data = { voltage: 1, current: 0.001 };
  const body = JSON.stringify({ type: "power", cellId: 1, loggerId: 1, ts, data });
  const headers = { "Content-Type": "application/json" };
  const { status } = await fetch(`${url}/api/sensor/`, { method: "POST", headers, body });
  expect([200, 503]).toContain(status);
  return status === 200;
}

/** Uploads one instant after another until it is told to stop; answers those that were acknowledged. */
async function uploadUntil(stop: AbortSignal, url: string, first: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let ts = first; !stop.aborted; ts += 1) if (await upload(url, ts)) acknowledged.push(ts);
  return acknowledged;
}

async function readPower(url: string): Promise<{ timestamp: number[]; p: (number | null)[] }> {
  const span = "startTime=0&endTime=20000000&resample=none&timestamps=unix";
  const answer = await fetch(`${url}/api/power/1?${span}`);
  return (await answer.json()) as { timestamp: number[]; p: (number | null)[] };
}

describe("ents-backend start", () => {
  it("goes on when the database's server is killed under uploads, and loses none that it has acknowledged", async () => {
    const { child, dataDir, url } = await start();
    const stop = new AbortController();
    const writers = [1, 2, 3, 4, 5, 6, 7, 8].map((n) =>
      uploadUntil(stop.signal, url, n * 1_000_000),
    );
    for (const _ of [1, 2]) {
      const postmaster = await postmasterOf(dataDir);
      process.kill(postmaster, "SIGKILL");
      await expect.poll(() => postmasterOf(dataDir), { timeout: 20_000 }).not.toBe(postmaster);
      await expect.poll(() => upload(url, 1), { timeout: 20_000 }).toBe(true);
    }
    stop.abort();
    const acknowledged = (await Promise.all(writers)).flat();
    expect(child.exitCode).toBeNull();
    // What came while the database was away is in the journal for a moment more.
    const missing = async () => {
      const stored = new Set((await readPower(url)).timestamp);
      return acknowledged.filter((ts) => !stored.has(ts));
    };
    await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
    const { p } = await readPower(url);
    expect(p).not.toContain(null);
  }, 60_000);

  it("stops itself and the database at Ctrl-C, which a terminal sends twice, whoever stays connected", async () => {
    const { child, dataDir, url } = await start();
    const { port } = new URL(url);
    const silent = connect(Number(port), "127.0.0.1");
    const halfway = connect(Number(port), "127.0.0.1");
    await Promise.all([silent, halfway].map((socket: Socket) => once(socket, "connect")));
    for (const socket of [silent, halfway]) socket.on("error", () => undefined);
    halfway.write("POST /api/sensor/ HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345");
    const postmaster = await postmasterOf(dataDir);
    child.kill("SIGINT");
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(0);
    expect(isAlive(postmaster)).toBe(false);
  }, 30_000);

  it("shows how to upload where it is reached, which in a container isn't where it listens", async () => {
    const port = String(await freePort());
    const settings = { HOST: "0.0.0.0", PORT: port, PUBLIC_URL: "http://localhost:8001" };
    const { child } = await begin(settings);
    expect(await shownBy(child, /curl -i (\S+)/)).toBe("http://localhost:8001/api/sensor/");
  }, 30_000);
});
