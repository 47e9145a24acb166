import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { startEmbedded } from "../server/src/db/embedded.ts";
import { orInterrupted } from "./interruption.ts";
import { useScratch } from "./scratch.ts";
import { silentLog } from "./silent-log.ts";

/** The product as its users start it, on a port and a database of its own. */
export interface Backend {
  readonly port: number;
  readonly pid: number;
  readonly databaseUrl: string;
  /** An empty directory on the database's disk. */
  readonly directory: string;
  /** A connection to the database, for what no user does. */
  readonly sql: Client;
  /** Runs another command beside the server, and answers what it prints. */
  readonly run: (...args: string[]) => Promise<string>;
  /** The same while it can be watched, beside the server or on another data directory. */
  readonly start: (args: readonly string[], dataDir?: string) => Running;
  /** Makes some cells that take uploads from everyone; answers their numbers. */
  readonly createCells: (count: number) => Promise<number[]>;
}

const program = fileURLToPath(new URL("../server/bin/ents-backend.js", import.meta.url));

/** As many processes as the cores, as the product starts by itself; else one, as what it is compared with. */
export interface BackendOptions {
  readonly oneProcess: boolean;
}

/** Starts the product, uses it, stops it, and throws its database away. */
export async function withBackend<T>(
  use: (backend: Backend) => Promise<T>,
  { oneProcess }: BackendOptions = { oneProcess: true },
): Promise<T> {
  return await useScratch(async (directory) => {
    const dataDir = `${directory}/data`;
    const env = { ...(oneProcess && { WEB_CONCURRENCY: "1" }), ...environment(dataDir) };
    const server = spawn(process.execPath, [program, "start"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const port = await readPort(server);
      await untilReady(port);
      return await withDatabase(dataDir, async (databaseUrl, sql) => {
        const backend = {
          port,
          pid: server.pid!,
          databaseUrl,
          directory,
          sql,
          run: async (...args: string[]) => await startCommand(args, dataDir).output,
          start: (args: readonly string[], other = dataDir) => startCommand(args, other),
          createCells: async (count: number) => await insertCells(sql, count),
        };
        return await Promise.race([orInterrupted(use(backend)), endOf(server)]);
      });
    } finally {
      await stop(server);
    }
  });
}

function environment(dataDir: string): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, ...env } = process.env;
  return {
    ...env,
    DATA_DIR: dataDir,
    PORT: "0",
    LOG_LEVEL: "error",
    // All of it is of one address.
    RATE_LIMIT: "off",
    DEFAULT_UPLOAD_POLICY: "open",
    LIVE_PER_ADDRESS: "10000",
  };
}

/** A command under way. */
interface Running {
  readonly pid: number;
  /** What it printed; fails where it ends with another status than 0. */
  readonly output: Promise<string>;
}

function startCommand(args: readonly string[], dataDir: string): Running {
  const env = environment(dataDir);
  const running = promisify(execFile)(process.execPath, [program, ...args], { env });
  return { pid: running.child.pid!, output: running.then(({ stdout }) => stdout) };
}

/** A measurement of a server that is gone would wait for ever. */
async function endOf(server: ChildProcess): Promise<never> {
  const [code, signal] = (await once(server, "exit")) as [number | null, string | null];
  throw new Error(`the server ended with ${signal ?? `exit code ${code}`}`);
}

async function readPort(server: ChildProcess): Promise<number> {
  for await (const line of createInterface(server.stdout!)) {
    const port = /listens on http:\/\/\S+:(\d+)/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error("the backend ended before it listened");
}

/** It listens before its database has started, where that takes long. */
async function untilReady(port: number): Promise<void> {
  const ask = async () => await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  while (!(await ask())?.ok) await sleep(50);
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGINT");
  await once(server, "exit");
}

/** Joins the database of a running backend. */
async function withDatabase<T>(
  dataDir: string,
  use: (url: string, sql: Client) => Promise<T>,
): Promise<T> {
  const database = await startEmbedded({ dataDir, log: silentLog });
  const sql = new Client({ connectionString: database.url });
  try {
    await sql.connect();
    return await use(database.url, sql);
  } finally {
    await sql.end();
    await database.stop();
  }
}

async function insertCells(sql: Client, count: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `insert into cell (name, upload_policy)
     select 'bench ' || gen_random_uuid(), 'open' from generate_series(1, $1) returning id`,
    [count],
  );
  return rows.map(({ id }) => id);
}
