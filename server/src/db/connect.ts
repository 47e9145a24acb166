import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool, TypeOverrides, types as standardTypes } from "pg";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Tables } from "./tables.ts";

/** A pool or a transaction: every query takes it first. */
export type Db = Kysely<Tables>;

const oldestServer = 15;
const noConnection = defineError(
  "unavailable",
  "no_database_connection",
  "no connection to the database ({reason}): is DATABASE_URL right, and does its server run?",
);
const databaseTooOld = defineError(
  "unavailable",
  "database_too_old",
  "PostgreSQL {version} is too old: 15 is needed",
);

// bigint columns hold counters and 32-bit device numbers, far below 2^53.
const types = new TypeOverrides();
types.setTypeParser(standardTypes.builtins.INT8, Number);

/**
 * Opens a pool of connections. Nothing is connected before the first query; close with `db.destroy()`.
 *
 * @param url postgres://…
 */
export function connect(url: string, log: Log): Db {
  const pool = new Pool({
    connectionString: url,
    application_name: "ents-backend",
    max: 20,
    connectionTimeoutMillis: 5_000,
    types,
  });
  // An idle connection that breaks is replaced by itself; unheard, its error would end the process.
  pool.on("error", ({ message }) => log.debug({ reason: message }, "a database connection broke"));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** @throws KnownError when there is no connection, or to a server older than PostgreSQL 15 */
export async function checkServer(db: Db): Promise<void> {
  const query = sql<{
    version: number;
  }>`select current_setting('server_version_num')::int as version`;
  const { rows } = await query.execute(db).catch((error: Error) => {
    throw noConnection({ reason: error.message });
  });
  const version = Math.floor(rows[0]!.version / 10_000);
  if (version < oldestServer) throw databaseTooOld({ version });
}

/**
 * Whether an error says that the database can't be reached or can't take more, and not that the statement was
 * wrong. Source: PostgreSQL's error codes, classes 08, 53, 57P, 58; Node's network errors.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return (
    /^(08|53|57P|58|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND)/.test(code) ||
    /connection te?i?rm|timeout exceeded when trying to connect/i.test(error.message)
  );
}

/** Whether a row is refused because another one has its name. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23505";
}

/** Whether a row is refused because what it refers to is gone, as by a deletion at the same moment. */
export function isReferenceGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23503";
}
