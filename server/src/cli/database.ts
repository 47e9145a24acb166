import { loadConfig } from "../config.ts";
import { openDatabase, type OpenDatabase } from "../db/open.ts";
import { openCommandLogger } from "./log.ts";

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
