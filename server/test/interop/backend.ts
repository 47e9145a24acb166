import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll } from "vitest";
import { untilReady } from "../support/ready.ts";

const program = resolve("server/bin/ents-backend.js");
const execute = promisify(execFile);

/**
 * The product as its users start it: a process of its own, on a port and, unless DATABASE_URL is set, a database
 * of its own.
 */
export interface Backend {
  /** http://host:port, without a slash at its end. */
  readonly url: string;
  /** Runs another command beside the server, and answers what it prints. */
  run(...args: string[]): Promise<string>;
  /** Makes a cell whose name begins so. */
  createCell(name: string): Promise<{ readonly id: number; readonly name: string }>;
}

/** Gives the test file that calls it a running backend. */
export function useBackend(): Backend {
  let directory: string;
  let server: ChildProcess;
  let url: string;
  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PORT: "0",
    HOST: "localhost",
    DATA_DIR: directory,
    LOG_LEVEL: "error",
    // All of it is of one address.
    RATE_LIMIT: "off",
    DEFAULT_UPLOAD_POLICY: "open",
  });
  const backend: Backend = {
    get url() {
      return url;
    },
    run: async (...args) => {
      const options = { env: environment(), cwd: directory, maxBuffer: 2 ** 26 };
      return (await execute(process.execPath, [program, ...args], options)).stdout;
    },
    createCell: async (beginning) => {
      const name = `${beginning} ${randomUUID()}`;
      const made = await backend.run("cell", "create", name);
      return { id: Number(/^Made cell (\d+)/.exec(made)![1]), name };
    },
  };
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ents-interop-"));
    server = spawn(process.execPath, [program, "start"], {
      env: environment(),
      cwd: directory,
      stdio: ["ignore", "pipe", "inherit"],
    });
    url = await readUrl(server);
    await untilReady(url);
  });
  afterAll(async () => {
    if (server.exitCode === null) {
      server.kill("SIGINT");
      await once(server, "exit");
    }
    await rm(directory, { recursive: true, force: true });
  });
  return backend;
}

async function readUrl(server: ChildProcess): Promise<string> {
  for await (const line of createInterface(server.stdout!)) {
    const url = /listens on (http:\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error("the backend ended before it listened");
}
