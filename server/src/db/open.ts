import { setTimeout as sleep } from "node:timers/promises";
import { deadline, Late } from "../lib/deadline.ts";
import type { Log } from "../lib/log.ts";
import {
  checkServer,
  connect,
  usualLimits,
  type DatabaseUrl,
  type Db,
  type PoolLimits,
} from "./connect.ts";
import { isDatabaseAway, isEntryRefused } from "./fault.ts";
import { migrate } from "./migrate.ts";
import { DatabaseProbe } from "./probe.ts";
import { findServer, type DatabaseServer, type ServerOptions } from "./server.ts";

/** Of each process: two are held by downloads, for as long as these take, and others read all the same. */
const readLimits: PoolLimits = { connections: 4, statementTimeout_ms: 60_000 };

/** Uploads wait half a second for the database; what it still does for them after that is not worth a connection. */
const writeLimits: PoolLimits = { connections: 6, statementTimeout_ms: 30_000 };

/** Connections to a database. */
interface Connections {
  readonly db: Db;
  /** For storing uploads: connections that nobody else can take. */
  readonly writes: Db;
  /** For reading spans of readings: few connections, so that readers can't take those that uploads need. */
  readonly reads: Db;
  /** For what connects by itself. */
  readonly url: DatabaseUrl;
  close(): Promise<void>;
}

export interface OpenDatabase extends Connections {
  /** The names of the migrations that this start ran. */
  readonly migrated: readonly string[];
}

/**
 * Opens the database, in its newest form: the one that DATABASE_URL names, or the embedded server, which it
 * starts where it doesn't run yet and stops at the end where nobody else uses it.
 *
 * @throws KnownError when it can't be reached or started
 */
export async function openDatabase(options: ServerOptions): Promise<OpenDatabase> {
  const server = await findServer(options);
  await server.start();
  const connections = connectTo(server, options.log);
  try {
    return { ...connections, migrated: await prepare(connections, options) };
  } catch (error) {
    await connections.close();
    throw error;
  }
}

export interface AwaitedDatabase extends Connections {
  /** Whether it has been reached, and is in its newest form. */
  isReady(): boolean;
  /** Waits for that; answers false when it is closed before. */
  whenReady(): Promise<boolean>;
  /** Whether it is ready and answers at this moment; answers soon in any case. */
  isUp(): Promise<boolean>;
}

interface AwaitOptions extends ServerOptions {
  /** What becomes of what is to be done while the database is waited for, for people: `tasks wait`. */
  readonly meanwhile: string;
  /** How many processes like this one there are: they share what one alone would take of the server's connections. */
  readonly processes?: number;
}

/**
 * How long the embedded server's start is waited for, and then the database's newest form: after a crash, or behind
 * someone's lock, either may take minutes, in which uploads come.
 */
const start_ms = 1000;
/** How long queries are waited for at the end. */
const closing_ms = 1000;
const retry_ms = 1000;
/** How many tries in vain are told once. */
const quietTries = 30;

/**
 * The same for who has something to do without it: a database that can't be reached, or takes long to start, is waited
 * for, and goes on being tried until it is there.
 *
 * @throws KnownError when it can't be started, doesn't let us in, or is too old
 */
export async function awaitDatabase(options: AwaitOptions): Promise<AwaitedDatabase> {
  const server = await findServer(options);
  const connections = connectTo(server, options.log, options.processes);
  const probe = new DatabaseProbe(server.url);
  const closing = new AbortController();
  const readiness = new Readiness();
  const attempt = async (): Promise<void> => {
    await server.start(closing.signal);
    await unlessAborted(closing.signal, prepare(connections, options));
    readiness.settle(true);
  };
  const trying = await tryFirst(server, attempt, options, closing.signal).catch(
    async (error: unknown) => {
      await connections.close();
      throw error;
    },
  );
  return {
    ...connections,
    isReady: () => readiness.isReady,
    whenReady: async () => await readiness.settled,
    isUp: async () => readiness.isReady && (await probe.isUp()),
    async close() {
      closing.abort();
      await trying.done;
      readiness.settle(false);
      await Promise.all([probe.close(), connections.close()]);
    },
  };
}

type Telling = Pick<AwaitOptions, "log" | "meanwhile">;

/** Something that may become ready once, unless it is given up. */
class Readiness {
  readonly #settled = Promise.withResolvers<boolean>();
  isReady = false;

  get settled(): Promise<boolean> {
    return this.#settled.promise;
  }

  settle(isReady: boolean): void {
    this.isReady ||= isReady;
    this.#settled.resolve(isReady);
  }
}

/**
 * Tries to open the database, and leaves it at trying where it isn't there or takes long.
 *
 * @returns what goes on; it never fails
 * @throws what won't end by itself
 */
async function tryFirst(
  server: DatabaseServer,
  attempt: () => Promise<void>,
  { log, meanwhile }: Telling,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const keepOn = async (reason: unknown) =>
    await keepTrying(attempt, reason, { log, meanwhile }, signal);
  const started = server.start(signal);
  if (!(await startsInTime(server, started))) {
    log.warn({}, `the database takes long to start; ${meanwhile} meanwhile`);
    return { done: started.then(attempt).catch(keepOn) };
  }
  const trying = attempt();
  try {
    await deadline(start_ms, trying);
    return { done: Promise.resolve() };
  } catch (error) {
    if (error instanceof Late) {
      log.warn({}, `the database takes long to be in its newest form; ${meanwhile} meanwhile`);
      return { done: trying.catch(keepOn) };
    }
    if (!(error instanceof Error && isUnreachable(error.cause))) throw error;
    return { done: keepOn(error) };
  }
}

/** @throws KnownError when it doesn't start, however long the machine takes to find that out */
async function startsInTime(server: DatabaseServer, started: Promise<void>): Promise<boolean> {
  try {
    await deadline(start_ms, started);
    return true;
  } catch (error) {
    if (!(error instanceof Late)) throw error;
    return (await server.isComing()) ? false : await startsInTime(server, started);
  }
}

/** @throws the signal's reason, once it is aborted: what goes on then has nobody who waits for it */
async function unlessAborted(signal: AbortSignal, act: Promise<unknown>): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    await Promise.race([act, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function isUnreachable(error: unknown): boolean {
  return isDatabaseAway(error) && !isEntryRefused(error);
}

async function keepTrying(
  attempt: () => Promise<void>,
  first: unknown,
  { log, meanwhile }: Telling,
  signal: AbortSignal,
): Promise<void> {
  let error = first;
  for (let tries = 0; !signal.aborted; tries += 1) {
    if (tries % quietTries === 0)
      log.error({ err: error }, `the database is waited for; ${meanwhile} meanwhile`);
    await sleep(retry_ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      return await attempt();
    } catch (again) {
      error = again;
    }
  }
}

function connectTo(server: DatabaseServer, log: Log, processes = 1): Connections {
  const open = (limits: PoolLimits) => connect(server.url, log, limits);
  const share = (limits: PoolLimits) => open(shareOf(limits, processes));
  const [db, reads, writes] = [share(usualLimits), open(readLimits), share(writeLimits)];
  return {
    db,
    reads,
    writes,
    url: server.url,
    async close() {
      const closed = Promise.all([db.destroy(), reads.destroy(), writes.destroy()]);
      // What waits for a lock ends with the server at the latest, where that is ours.
      await deadline(closing_ms, closed).catch((error: unknown) => {
        if (!(error instanceof Late)) throw error;
      });
      await server.stop();
    },
  };
}

/** While one of them is replaced there is one more; together they may take twice as much as one alone. */
function shareOf({ connections, ...limits }: PoolLimits, processes: number): PoolLimits {
  const share = Math.ceil((connections * 2) / (processes + 1));
  return { ...limits, connections: Math.max(2, share) };
}

async function prepare({ db }: Connections, { log }: ServerOptions): Promise<string[]> {
  await checkServer(db);
  return await migrate(db, log);
}
