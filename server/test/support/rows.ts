import { sql } from "kysely";
import type { Db } from "../../src/db/connect.ts";
import type { Tables } from "../../src/db/tables.ts";

const tables = [
  "cell",
  "logger",
  "sensor",
  "reading",
  "reading_conflict",
  "logger_sighting",
  "quarantine",
  "cell_member",
  "tag",
  "cell_tag",
  "audit",
] as const satisfies readonly (keyof Tables)[];

/** How many rows each table gained, or lost, by what `act` does; tables that stay as they are don't appear. */
export async function rowsAdded(
  db: Db,
  act: () => Promise<unknown>,
): Promise<Partial<Record<keyof Tables, number>>> {
  const before = await countRows(db);
  await act();
  const after = await countRows(db);
  return Object.fromEntries(
    tables.map((table) => [table, after[table] - before[table]]).filter(([, added]) => added !== 0),
  );
}

async function countRows(db: Db): Promise<Record<(typeof tables)[number], number>> {
  const counts = tables.map(
    (table) => sql`(select count(*) from ${sql.table(table)}) as ${sql.ref(table)}`,
  );
  const { rows } = await sql<Record<(typeof tables)[number], number>>`
    select ${sql.join(counts)}`.execute(db);
  return rows[0]!;
}

/** What is in quarantine of the uploads since the last call of `act` began, oldest first. */
export async function quarantinedBy(db: Db, act: () => Promise<unknown>) {
  const { rows } = await sql<{ last: number }>`
    select coalesce(max(id), 0) as last from quarantine`.execute(db);
  await act();
  return await db
    .selectFrom("quarantine")
    .select(["path", "format", "headers", "body", "code", "reason"])
    .where("id", ">", rows[0]!.last)
    .orderBy("id")
    .execute();
}
