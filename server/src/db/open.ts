import type { Log } from "../lib/log.ts";
import { checkServer, connect, type Db } from "./connect.ts";
import { startEmbedded } from "./embedded.ts";
import { migrate } from "./migrate.ts";

export interface DatabaseOptions {
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly log: Log;
}

export interface OpenDatabase {
  readonly db: Db;
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
  const db = connect(embedded?.url ?? databaseUrl!, log);
  const close = async (): Promise<void> => {
    await db.destroy();
    await embedded?.stop();
  };
  try {
    await checkServer(db);
    return { db, migrated: await migrate(db, log), close };
  } catch (error) {
    await close();
    throw error;
  }
}
