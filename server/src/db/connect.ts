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

/** bigint[]. Source: PostgreSQL's table pg_type. */
const int8Array = 1016;

// bigint columns hold counters and 32-bit device numbers, far below 2^53.
export const types = new TypeOverrides();
types.setTypeParser(standardTypes.builtins.INT8, Number);
types.setTypeParser(int8Array, (text) => JSON.parse(`[${text.slice(1, -1)}]`) as number[]);

/** What a pool of connections may take of the server. */
export interface PoolLimits {
  readonly connections: number;
  /** A statement that takes longer is given up; 0: never. */
  readonly statementTimeout_ms: number;
}

const usualLimits: PoolLimits = { connections: 20, statementTimeout_ms: 0 };

/**
 * Opens a pool of connections. Nothing is connected before the first query; close with `db.destroy()`.
 *
 * @param url postgres://…
 */
export function connect(url: string, log: Log, limits: PoolLimits = usualLimits): Db {
  const pool = new Pool({
    connectionString: url,
    application_name: "ents-backend",
    max: limits.connections,
    statement_timeout: limits.statementTimeout_ms,
    connectionTimeoutMillis: 5_000,
    // A host that goes without a word would hold its connections for ever.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  });
  const onError = ({ message }: Error) =>
    log.debug({ reason: message }, "a database connection broke");
  // A connection that breaks fails its query, or is replaced by itself. Its error is told besides, by the pool while
  // it is idle and by the connection while it is between two statements; unheard, it would end the process.
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** @throws KnownError when there is no connection, or to a server older than PostgreSQL 15 */
export async function checkServer(db: Db): Promise<void> {
  const query = sql<{
    version: number;
  }>`select current_setting('server_version_num')::int as version`;
  const { rows } = await query.execute(db).catch((cause: Error) => {
    throw Object.assign(noConnection({ reason: cause.message }), { cause });
  });
  const version = Math.floor(rows[0]!.version / 10_000);
  if (version < oldestServer) throw databaseTooOld({ version });
}

/**
 * Whether an error says that the database can't be reached, doesn't let us in, or can't take more now, and not that the
 * statement was wrong; a collision that came again and again is one too. Source: PostgreSQL's error codes, classes 08,
 * 28, 40, 53, 57, 58, and 25006 (read only), 3D000 (no such database), 55P03 (lock not available); Node's network errors.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return (
    /^(08|28|40|53|57|58|25006|3D000|55P03)/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EMFILE|ENFILE)/.test(code) ||
    /connection te?i?rm|timeout exceeded when trying to connect|not queryable/i.test(error.message)
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
