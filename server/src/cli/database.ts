import { loadConfig } from "../config.ts";
import { openDatabase, type OpenDatabase } from "../db/open.ts";
import { openLogger } from "./log.ts";

/**
 * Runs a command on the database, beside a running server or without one, and closes it again. Logs are kept
 * to warnings: a command speaks for itself.
 */
export async function withDatabase<T>(run: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const config = loadConfig();
  const level = config.logLevel === "info" ? "warn" : config.logLevel;
  const database = await openDatabase({ ...config, log: openLogger(level) });
  try {
    return await run(database);
  } finally {
    await database.close();
  }
}
