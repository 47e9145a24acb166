import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { isPasswordRefused } from "./fault.ts";
import { connectHolder, type Holder, NotOurs } from "./holder.ts";
import type { Layout } from "./layout.ts";
import * as postmaster from "./postmaster.ts";
import type { Launcher } from "./unprivileged.ts";

/** All that is needed to reach the server of a directory, or to start it. */
export interface Site {
  readonly layout: Layout;
  readonly launcher: Launcher;
  readonly postgres: string;
  readonly password: string;
  readonly log: Log;
}

/** A connection to the server, and whether it was we who started it. */
export interface Attached {
  readonly holder: Holder;
  readonly started: boolean;
}

interface Attempt extends Site {
  /** The port that our URL promises, once there is one. */
  readonly port: number | undefined;
  readonly joins: boolean;
  readonly signal: AbortSignal | undefined;
}

const startFailed = defineError(
  "unavailable",
  "database_start_failed",
  "the embedded database doesn't start: {reason}. The end of {logFile}:\n{lines}",
);

const passwordRefused = defineError(
  "unavailable",
  "database_password_refused",
  "the running database refuses the password in {passwordFile}: put back the file that belongs to it",
);

const patience_ms = 30_000;

// What a server says that must wait for another one: for its lock, its memory, or its port.
const mustWait =
  /lock file "postmaster.pid"|shared memory block .* is still in use|could not create any TCP\/IP sockets/;

/**
 * Connects to the server of this directory; where none runs, starts it. Waits for a server that is
 * starting or stopping and for the remains of a killed one, within reason.
 *
 * @param options.port the port to insist on; without it, the last one or any free one
 * @param options.joins whether it is left to others to start it
 * @param options.signal ends the wait; a server that we were starting is stopped again
 */
export async function attach(
  site: Site,
  { port, joins = false, signal }: { port?: number; joins?: boolean; signal?: AbortSignal } = {},
): Promise<Attached> {
  const attempt: Attempt = { ...site, port, joins, signal };
  let giveUpAt_ms = performance.now() + patience_ms;
  let reason = "no attempt was made";
  for (
    let pause_ms = postmaster.poll_ms;
    performance.now() < giveUpAt_ms;
    await pause(pause_ms, attempt)
  ) {
    const outcome = await tryOnce(attempt);
    if ("holder" in outcome) return outcome;
    ({ reason } = outcome);
    site.log.debug({ reason }, "no connection to the database yet");
    // To stop a server that recovers would only make the next one begin again.
    if (outcome.starting) giveUpAt_ms = performance.now() + patience_ms;
    if (outcome.refused) pause_ms = Math.min(pause_ms * 2, 500);
  }
  throw await failure(site, reason);
}

interface Unattached {
  readonly reason: string;
  readonly starting?: boolean;
  readonly refused?: boolean;
}

async function tryOnce(attempt: Attempt): Promise<Attached | Unattached> {
  const lock = await postmaster.readLockFile(attempt.layout.cluster);
  if (!lock || !(await postmaster.isServerOf(lock.pid, attempt.layout.cluster))) {
    if (attempt.joins) return { reason: "no server runs, and others start it" };
    return startAndConnect(attempt, lock?.pid);
  }
  if (lock.status !== "ready")
    return { reason: `a server is ${lock.status}`, starting: lock.status === "starting" };
  return connect(attempt, lock);
}

async function startAndConnect(
  attempt: Attempt,
  notServer: number | undefined,
): Promise<Attached | Unattached> {
  const { layout, log } = attempt;
  const port = attempt.port ?? (await choosePort(layout.portFile));
  const server = await postmaster.startServer({ ...attempt, port, notServer });
  try {
    const lock = await untilReady(server, attempt);
    if (lock) return await untilConnected(lock, attempt);
    const reason = `the server ${server.ended()}`;
    if (mustWait.test(await server.output())) return { reason, refused: true };
    throw await failure(attempt, reason);
  } catch (error) {
    if (server.pid !== undefined)
      await postmaster.stopServer(server.pid, { cluster: layout.cluster, log });
    throw error;
  }
}

/** Waits for as long as the server works at it: after a crash it may have much to recover. */
async function untilReady(
  server: postmaster.Started,
  attempt: Attempt,
): Promise<postmaster.LockFile | undefined> {
  let sayAt_ms = performance.now() + 10_000;
  while (server.ended() === undefined) {
    const lock = await postmaster.readLockFile(attempt.layout.cluster);
    if (lock?.pid === server.pid && lock?.status === "ready") return lock;
    if (performance.now() > sayAt_ms) {
      attempt.log.info({ pid: server.pid }, "the database is still recovering");
      sayAt_ms += 10_000;
    }
    await pause(postmaster.poll_ms, attempt);
  }
  return undefined;
}

async function untilConnected(lock: postmaster.LockFile, attempt: Attempt): Promise<Attached> {
  const giveUpAt_ms = performance.now() + patience_ms;
  for (; ; await pause(postmaster.poll_ms, attempt)) {
    const outcome = await connect(attempt, lock);
    if ("holder" in outcome) return { ...outcome, started: true };
    if (performance.now() > giveUpAt_ms) throw await failure(attempt, outcome.reason);
  }
}

async function connect(
  attempt: Attempt,
  lock: postmaster.LockFile,
): Promise<Attached | Unattached> {
  const { layout, password } = attempt;
  if (attempt.port !== undefined && lock.port !== attempt.port) {
    return { reason: `a server listens on port ${lock.port} instead of ${attempt.port}` };
  }
  try {
    const holder = await connectHolder({ ...lock, password, cluster: layout.cluster });
    if (attempt.port === undefined) await rememberPort(layout.portFile, holder.port);
    return { holder, started: false };
  } catch (error) {
    if (isPasswordRefused(error)) throw passwordRefused({ passwordFile: layout.passwordFile });
    const { message } = error as Error;
    if (error instanceof NotOurs) throw await failure(attempt, message);
    return { reason: message };
  }
}

async function pause(ms: number, { signal }: Attempt): Promise<void> {
  await sleep(ms, undefined, signal && { signal });
}

async function failure({ layout: { logFile } }: Site, reason: string): Promise<Error> {
  return startFailed({ reason, logFile, lines: await postmaster.lastLines(logFile) });
}

/** The port of last time where it's free: what others noted down then still holds. */
async function choosePort(portFile: string): Promise<number> {
  const last = Number(await readFile(portFile, "utf8").catch(() => ""));
  if (last > 0 && (await isFree(last))) return last;
  for (;;) {
    // Below the range of which systems take ports for outgoing connections: those could come to sit
    // on ours while the server restarts.
    const port = randomInt(20_000, 30_000);
    if (await isFree(port)) return port;
  }
}

async function rememberPort(portFile: string, port: number): Promise<void> {
  const known = await readFile(portFile, "utf8").catch(() => "");
  if (Number(known) !== port) await writeFile(portFile, `${port}\n`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  });
}
