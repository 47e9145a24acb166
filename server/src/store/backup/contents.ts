import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";

/** A table that a backup keeps. */
export interface KeptTable {
  readonly name: string;
  /** All but those that PostgreSQL computes from the others. */
  readonly columns: readonly string[];
  /** The last number that was given, of each column that is numbered by itself; none yet: undefined. */
  readonly counters: Readonly<Record<string, number>>;
  /** What the planner believes; below 0: nothing. */
  readonly estimatedRows: number;
}

/** What a backup does with each of our tables. A table that isn't named here is somebody else's. */
export const contents: Readonly<Record<string, { readonly kept: boolean; readonly why?: string }>> =
  {
    account: { kept: true },
    identity: { kept: true },
    session: { kept: false, why: "one that was ended since would be open again" },
    refresh_token: { kept: false, why: "as sessions" },
    login_failure: { kept: false, why: "of the moment" },
    api_key: { kept: true },
    upload_key: { kept: true },
    cell: { kept: true },
    cell_member: { kept: true },
    cell_tag: { kept: true },
    tag: { kept: true },
    deleted_cell: { kept: true },
    logger: { kept: true },
    logger_sighting: { kept: true },
    directory: { kept: true },
    sensor: { kept: true },
    deleted_sensor: { kept: true },
    reading: { kept: true },
    reading_conflict: { kept: true },
    rollup_hour: { kept: true },
    rollup_day: { kept: true },
    rollup_delta: { kept: true },
    rollup_fold: { kept: false, why: "it counts this server's transactions" },
    quarantine: { kept: true },
    audit: { kept: true },
    legacy_object: { kept: true },
    legacy_cell: { kept: true },
    arrival: { kept: false, why: "its order is that of this server's transactions" },
    arrival_log: { kept: false, why: "each database draws a name of its own" },
    task: { kept: false, why: "what was being done, on that machine" },
    file: { kept: false, why: "what a task made can be made again" },
    file_chunk: { kept: false, why: "as files" },
    kysely_migration: { kept: false, why: "the manifest names them, and restoring runs them" },
    kysely_migration_lock: { kept: false, why: "of the moment" },
  };

/** Our functions, those of older versions included. A function that isn't named here is somebody else's. */
export const functions: readonly string[] = [
  "add_readings",
  "change_directory",
  "fold_rollups",
  "list_arrivals",
  "list_deltas",
  "note_deleted_cell",
  "note_deleted_sensor",
  "refuse_change",
  "store_readings",
];

interface TableRow {
  readonly name: string;
  readonly columns: string[];
  readonly refers_to: string[];
  readonly counters: Record<string, number> | null;
  readonly estimated_rows: number;
}

/**
 * The tables of our schema that a backup keeps, in an order in which each can be filled: those that it refers to come
 * before it.
 */
export async function listKept(db: Db): Promise<KeptTable[]> {
  const rows = await describeTables(db);
  return inOrder(rows.filter(({ name }) => contents[name]?.kept)).map(
    ({ name, columns, counters, estimated_rows }) => ({
      name,
      columns,
      counters: counters ?? {},
      estimatedRows: estimated_rows,
    }),
  );
}

/** The tables of our schema and their columns, but those that PostgreSQL computes from the others. */
export async function describeTables(db: Db): Promise<TableRow[]> {
  const { rows } = await sql<TableRow>`
    select relname::text as name, reltuples::float8 as estimated_rows,
      array(
        select attname::text from pg_attribute
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = '' order by attnum
      ) as columns,
      array(
        select distinct other.relname::text from pg_constraint join pg_class as other on other.oid = confrelid
        where conrelid = pg_class.oid and contype = 'f' and confrelid <> conrelid
      ) as refers_to,
      (
        select jsonb_object_agg(attname, pg_sequence_last_value(counter))
        from pg_attribute
        cross join lateral (
          select pg_get_serial_sequence(format('%I', relname), attname)::regclass as counter
        ) as numbered
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped and pg_sequence_last_value(counter) is not null
      ) as counters
    from ${schemaTables}
    order by relname`.execute(db);
  return rows;
}

/** The names of the tables in our schema: ours, and those that somebody else has put beside them. */
export async function listTables(
  db: Db,
): Promise<{ readonly ours: readonly string[]; readonly others: readonly string[] }> {
  const { rows } = await sql<{
    name: string;
  }>`select relname::text as name from ${schemaTables} order by relname`.execute(db);
  const names = rows.map(({ name }) => name);
  return { ours: names.filter(isOurs), others: names.filter((name) => !isOurs(name)) };
}

function isOurs(name: string): boolean {
  return Object.hasOwn(contents, name);
}

/** Of the schema that we are in, without what an extension has put there. */
const schemaTables = sql`(
  select * from pg_class
  where relnamespace = (select oid from pg_namespace where nspname = current_schema())
    and relkind in ('r', 'p') and not relispartition
    and not exists (
      select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
    )
) as pg_class`;

function inOrder(rows: readonly TableRow[]): TableRow[] {
  const placed = new Set<TableRow>();
  const isPlaced = (name: string) => [...placed].some((row) => row.name === name);
  for (let size = -1; placed.size > size;) {
    size = placed.size;
    for (const row of rows) if (row.refers_to.every(isPlaced)) placed.add(row);
  }
  const others = rows.filter((row) => !placed.has(row)).map(({ name }) => name);
  if (others.length > 0)
    throw new Error(`in a circle, or to tables that backups leave out, refer: ${others.join()}`);
  return [...placed];
}
