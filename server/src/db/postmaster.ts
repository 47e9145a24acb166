import { type ChildProcess, execFile } from "node:child_process";
import { open, readFile, realpath, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Log } from "../lib/log.ts";
import type { Layout } from "./layout.ts";
import type { Launcher } from "./unprivileged.ts";

/** What `postmaster.pid` says; PostgreSQL writes it line by line, so that later ones may be missing. */
export interface LockFile {
  readonly pid: number;
  readonly port: number;
  readonly status: string;
}

/** A server process that we started, at most seconds ago. */
export interface Started {
  readonly pid: number | undefined;
  /** Why it's over, or nothing while it runs. */
  ended(): string | undefined;
  /** What it wrote to the log so far. */
  output(): Promise<string>;
}

const maxLog_bytes = 10 * 1024 * 1024;

/** How often to look whether a server has started, or has gone: its own steps take a few of these. */
export const poll_ms = 20;

// Memory is for a machine of 1 GB that does other things too: a larger site runs its own PostgreSQL.
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "128MB",
  effective_cache_size: "512MB",
  work_mem: "8MB",
  maintenance_work_mem: "64MB",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  // Every 16 MB of log a commit would wait until that much is written with zeros and synced: tens of milliseconds.
  wal_init_zero: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  // Our reader of the log knows PostgreSQL's English.
  lc_messages: "C",
};

/** Reads the lock file that a server keeps while it runs, and that stays after a crash. */
export async function readLockFile(cluster: string): Promise<LockFile | undefined> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]), status: lines[7] ?? "" };
}

/**
 * Tells whether a process is the server of this cluster. After a crash its number may belong to any
 * other program, and in a container without an init process a dead one lingers as a zombie: neither counts.
 */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  const [, directory] = /(?:^|\/)postgres -D (.+?) -c /.exec(await commandLine(pid)) ?? [];
  if (directory === undefined) return false;
  return (await realpath(directory).catch(() => directory)) === cluster;
}

async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === "linux") {
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
    }
    return (await promisify(execFile)("ps", ["-ww", "-o", "command=", "-p", String(pid)])).stdout;
  } catch {
    return "";
  }
}

/**
 * Starts the server in a session of its own, so that Ctrl-C in our terminal doesn't reach it.
 *
 * @param options.notServer a process that the lock file names although it isn't the server
 */
export async function startServer(options: {
  readonly launcher: Launcher;
  readonly postgres: string;
  readonly layout: Layout;
  readonly port: number;
  readonly notServer: number | undefined;
}): Promise<Started> {
  const { layout, notServer } = options;
  await rotateLog(layout.logFile);
  const log = await open(layout.logFile, "a", 0o600);
  try {
    const from = (await log.stat()).size;
    const child = options.launcher.launch(
      options.postgres,
      serverArguments(layout.cluster, options.port),
      {
        cwd: "/",
        // PostgreSQL takes any living process of its user for its predecessor, except for its parent and
        // this one. With it we never need to delete the lock file; shared memory is checked all the same.
        env: {
          PATH: process.env["PATH"],
          ...(notServer && { PG_GRANDPARENT_PID: String(notServer) }),
        },
        stdio: ["ignore", log.fd, log.fd],
        detached: true,
      },
    );
    return observe(child, () => readFrom(layout.logFile, from));
  } finally {
    await log.close();
  }
}

function serverArguments(cluster: string, port: number): string[] {
  const pairs = Object.entries({ ...settings, port: String(port) });
  return ["-D", cluster, ...pairs.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

function observe(child: ChildProcess, output: () => Promise<string>): Started {
  let ended: string | undefined;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, signal) => (ended = `ended with ${signal ?? `exit code ${code}`}`));
  child.unref();
  return { pid: child.pid, ended: () => ended, output };
}

async function rotateLog(logFile: string): Promise<void> {
  const found = await stat(logFile).catch(() => undefined);
  if (found && found.size > maxLog_bytes) await rename(logFile, `${logFile}.old`);
}

/** Reads a file's end from this byte on, at most the last 64 kB of it. */
async function readFrom(path: string, from: number): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - 65_536);
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(Math.max(0, size - start)),
      position: start,
    });
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The last lines of the server's log, for the one who has to find out what is wrong. */
export async function lastLines(logFile: string): Promise<string> {
  const text = await readFrom(logFile, 0).catch(() => "");
  return text.trimEnd().split("\n").slice(-10).join("\n");
}

/** Shuts the server down: politely to its data, not to its clients. Answers when it is gone. */
export async function stopServer(
  pid: number,
  { cluster, log }: { cluster: string; log: Log },
): Promise<void> {
  // The last signal skips the final checkpoint; the next start then recovers, and nothing is lost.
  for (const [signal, patience_ms] of [["SIGINT", 30_000] as const, ["SIGQUIT", 10_000] as const]) {
    if (!(await isServerOf(pid, cluster))) return;
    send(pid, signal);
    if (await isGone(pid, cluster, patience_ms)) return;
    log.warn({ pid, signal }, "the database server takes long to stop");
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function isGone(pid: number, cluster: string, patience_ms: number): Promise<boolean> {
  const giveUpAt_ms = performance.now() + patience_ms;
  for (; performance.now() < giveUpAt_ms; await sleep(poll_ms)) {
    if (!(await isServerOf(pid, cluster))) return true;
  }
  return false;
}
