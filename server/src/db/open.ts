import type { Log } from "../lib/log.ts";
import { checkServer, connect, type Db, type PoolLimits } from "./connect.ts";
import { startEmbedded } from "./embedded.ts";
import { migrate } from "./migrate.ts";

export interface DatabaseOptions {
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly log: Log;
}

const readLimits: PoolLimits = { connections: 4, statementTimeout_ms: 60_000 };

export interface OpenDatabase {
  readonly db: Db;
  /** For reading spans of readings: few connections, so that readers can't take those that uploads need. */
  readonly reads: Db;
  /** The names of the migrations that this start ran. */
  readonly migrated: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the database, in its newest form: the one that DATABASE_URL names, or the embedded server, which it
 * starts where it doesn't run yet and stops at the end where nobody else uses it.
 *
 * @throws KnownError when it can't be reached or started
 */
export async function openDatabase({
  databaseUrl,
  dataDir,
  log,
}: DatabaseOptions): Promise<OpenDatabase> {
  const embedded = databaseUrl === undefined ? await startEmbedded({ dataDir, log }) : undefined;
  const url = embedded?.url ?? databaseUrl!;
  const db = connect(url, log);
  const reads = connect(url, log, readLimits);
  const close = async (): Promise<void> => {
    await Promise.all([db.destroy(), reads.destroy()]);
    await embedded?.stop();
  };
  try {
    await checkServer(db);
    return { db, reads, migrated: await migrate(db, log), close };
  } catch (error) {
    await close();
    throw error;
  }
}
