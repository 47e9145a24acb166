import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool, TypeOverrides, types as standardTypes, type ClientBase } from "pg";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { nameOf } from "./prepared.ts";
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

export const usualLimits: PoolLimits = { connections: 20, statementTimeout_ms: 0 };

/** postgres://…, or what answers it once there is a server: as long as that fails, so does what needs it. */
export type DatabaseUrl = string | (() => string);

/** The address of a server as text. @throws what asking for it throws, while there is no server yet */
export function readUrl(url: DatabaseUrl): string {
  return typeof url === "string" ? url : url();
}

/**
 * Opens a pool of connections. Nothing is connected before the first query; close with `db.destroy()`.
 */
export function connect(url: DatabaseUrl, log: Log, limits: PoolLimits = usualLimits): Db {
  const pool = async () => openPool(readUrl(url), log, limits);
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

function openPool(url: string, log: Log, limits: PoolLimits): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: "ents-backend",
    max: limits.connections,
    statement_timeout: limits.statementTimeout_ms,
    connectionTimeoutMillis: 5_000,
    verify: commitDurably,
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
  pool.on("connect", promiseByCallback);
  return pool;
}

/**
 * A query that makes its promise itself is kept by it, with all its values, until V8 collects the old generation, which
 * a busy server then does every few seconds. One that calls back goes with the young.
 */
function promiseByCallback(client: ClientBase): void {
  const query = client.query.bind(client) as (...args: readonly unknown[]) => unknown;
  const promising = (...args: readonly unknown[]): unknown => {
    if (args.length !== 2 || !Array.isArray(args[1])) return query(...args);
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, result: unknown) =>
        error ? reject(error) : resolve(result);
      const [text, values] = args as [string, unknown[]];
      const name = nameOf(text);
      if (name === undefined) query(text, values, settle);
      else query({ name, text, values }, settle);
    });
  };
  client.query = promising as ClientBase["query"];
}

/** What is acknowledged is on the disk, whatever the server does for others; one that promises more keeps to it. */
function commitDurably(client: ClientBase, done: (error?: Error) => void): void {
  const statement = `select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') = 'off'`;
  client.query(statement, (error: Error | null) => done(error ?? undefined));
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
