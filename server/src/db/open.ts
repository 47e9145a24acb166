import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import { checkServer, connect, type Db, type PoolLimits } from "./connect.ts";
import { startEmbedded } from "./embedded.ts";
import { isDatabaseAway } from "./fault.ts";
import { migrate } from "./migrate.ts";

export interface DatabaseOptions {
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly log: Log;
}

const readLimits: PoolLimits = { connections: 4, statementTimeout_ms: 60_000 };

/** Uploads wait half a second for the database; what it still does for them after that is not worth a connection. */
const writeLimits: PoolLimits = { connections: 6, statementTimeout_ms: 30_000 };

/** Connections to a database. */
export interface Connections {
  readonly db: Db;
  /** For storing uploads: connections that nobody else can take. */
  readonly writes: Db;
  /** For reading spans of readings: few connections, so that readers can't take those that uploads need. */
  readonly reads: Db;
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
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  const connections = await connectTo(options);
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
}

const retry_ms = 1000;
/** How many tries in vain are told once. */
const quietTries = 30;

/**
 * The same for who has something to do without it: a database that can't be reached is waited for, and goes on being
 * tried until it is there.
 *
 * @throws KnownError when it can't be started, doesn't let us in, or is too old
 */
export async function awaitDatabase(options: DatabaseOptions): Promise<AwaitedDatabase> {
  const connections = await connectTo(options);
  const closing = new AbortController();
  let ready = false;
  const attempt = async (): Promise<void> => {
    await prepare(connections, options);
    ready = true;
  };
  let trying = Promise.resolve();
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof Error && isUnreachable(error.cause))) {
      await connections.close();
      throw error;
    }
    trying = keepTrying(attempt, error, options.log, closing.signal);
  }
  return {
    ...connections,
    isReady: () => ready,
    async close() {
      closing.abort();
      await trying;
      await connections.close();
    },
  };
}

/** A server that is there and doesn't let us in won't do so by itself. Source: PostgreSQL's error codes 28 and 3D. */
function isUnreachable(error: unknown): boolean {
  const refuses = error instanceof Error && "code" in error && /^(28|3D)/.test(String(error.code));
  return isDatabaseAway(error) && !refuses;
}

async function keepTrying(
  attempt: () => Promise<void>,
  first: unknown,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let error = first;
  for (let tries = 0; !signal.aborted; tries += 1) {
    if (tries % quietTries === 0)
      log.error({ err: error }, "the database is waited for; uploads are kept on disk meanwhile");
    await sleep(retry_ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      return await attempt();
    } catch (again) {
      error = again;
    }
  }
}

async function connectTo({ databaseUrl, dataDir, log }: DatabaseOptions): Promise<Connections> {
  const embedded = databaseUrl === undefined ? await startEmbedded({ dataDir, log }) : undefined;
  const url = embedded?.url ?? databaseUrl!;
  const db = connect(url, log);
  const reads = connect(url, log, readLimits);
  const writes = connect(url, log, writeLimits);
  return {
    db,
    reads,
    writes,
    async close() {
      await Promise.all([db.destroy(), reads.destroy(), writes.destroy()]);
      await embedded?.stop();
    },
  };
}

async function prepare({ db }: Connections, { log }: DatabaseOptions): Promise<string[]> {
  await checkServer(db);
  return await migrate(db, log);
}
