import { loadConfig } from "../config.ts";
import { isDatabaseAway } from "../db/fault.ts";
import { openDatabase, type OpenDatabase } from "../db/open.ts";
import { defineError } from "../lib/errors.ts";
import { openCommandLogger } from "./log.ts";

const databaseAway = defineError(
  "unavailable",
  "database_away",
  "the database went away; what was stored is kept, and running the same command again goes on from there",
);

/** Runs a command on the database, beside a running server or without one, and closes it again. */
export async function withDatabase<T>(run: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const config = loadConfig();
  const database = await openDatabase({ ...config, log: openCommandLogger(config) });
  try {
    return await run(database);
  } finally {
    await database.close();
  }
}

/** The same for a command that goes on where it was stopped when it is run again: says so when the database goes away. */
export async function withDatabaseToFill<T>(
  run: (database: OpenDatabase) => Promise<T>,
): Promise<T> {
  return await withDatabase(run).catch((error: unknown) => {
    throw isDatabaseAway(error) ? databaseAway() : error;
  });
}
