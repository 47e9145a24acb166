import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import { defineError } from "../../lib/errors.ts";
import { isDemo } from "../demo.ts";
import { contents, functions, listTables } from "./contents.ts";

const inUse = defineError(
  "conflict",
  "database_in_use",
  "{sessions} connections of ents-backend use this database: stop the server, its workers and commands first",
);
const notEmpty = defineError(
  "conflict",
  "database_not_empty",
  "this database isn't empty, there are rows in {tables}: restore into a new one, by another DATA_DIR or DATABASE_URL",
);

/** For how long processes that have just ended may still be on their way out. */
const patience_ms = 2000;
const poll_ms = 100;

/**
 * Makes sure that nobody uses the database and that there is nothing of value in it, and takes away the tables that are
 * there, of whichever version. Others that come from now on wait until the transaction ends.
 *
 * @throws KnownError when it is in use, or has rows beyond those of the demo
 */
export async function takeEmpty(transaction: Db): Promise<void> {
  await untilUnused(transaction);
  const { ours: tables } = await listTables(transaction);
  if (tables.length > 0) {
    const all = sql.join(tables.map((name) => sql.id(name)));
    await sql`set local lock_timeout = '10s'`.execute(transaction);
    await sql`lock table ${all} in access exclusive mode`.execute(transaction);
    await refuseRows(transaction, tables);
    await sql`drop view if exists v_readings`.execute(transaction);
    await sql`drop table ${all}`.execute(transaction);
    await dropFunctions(transaction);
  }
}

async function untilUnused(db: Db): Promise<void> {
  const giveUpAt_ms = performance.now() + patience_ms;
  for (; ; await sleep(poll_ms)) {
    const { rows } = await sql<{ sessions: number }>`
      select count(*) as sessions from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and application_name like 'ents-backend%'`.execute(
      db,
    );
    const { sessions } = rows[0]!;
    if (sessions === 0) return;
    if (performance.now() > giveUpAt_ms) throw inUse({ sessions });
  }
}

/** Rows that a migration makes, and what a backup leaves out, are nothing that would be missed. */
async function refuseRows(db: Db, tables: readonly string[]): Promise<void> {
  const filled: string[] = [];
  for (const name of tables) {
    if (name === "directory" || !contents[name]?.kept) continue;
    const { rows } = await sql`select from ${sql.table(name)} limit 1`.execute(db);
    if (rows.length > 0) filled.push(name);
  }
  if (filled.length === 0) return;
  const demoOnly = filled.every((name) => name === "cell" || name === "logger");
  if (!(demoOnly && (await isDemo(db)))) throw notEmpty({ tables: filled.join(", ") });
}

/** Migrations make them anew. Others in our schema are somebody else's. */
async function dropFunctions(db: Db): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select oid::regprocedure::text as name from pg_proc
    where pronamespace = (select oid from pg_namespace where nspname = current_schema())
      and proname = any(${functions})`.execute(db);
  for (const { name } of rows) await sql`drop function ${sql.raw(name)}`.execute(db);
}
