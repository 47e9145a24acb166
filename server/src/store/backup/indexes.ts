import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import { contents } from "./contents.ts";

interface Definition {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
  readonly is_constraint: boolean;
}

/**
 * Takes away the indexes of our tables that no other table refers to: those grow without end, and an index is made of all
 * rows in a third of the time that it takes to add them one by one, and comes out smaller.
 *
 * @returns makes them again, and tells how many are made, of how many
 */
export async function dropIndexes(
  transaction: Db,
): Promise<(onProgress?: (made: number, of: number) => void) => Promise<void>> {
  const definitions = await listIndexes(transaction);
  for (const { table, name, is_constraint } of definitions)
    await (
      is_constraint
        ? sql`alter table ${sql.table(table)} drop constraint ${sql.id(name)}`
        : sql`drop index ${sql.id(name)}`
    ).execute(transaction);
  return async (onProgress) => {
    await sql`set local maintenance_work_mem = '256MB'`.execute(transaction);
    for (const [made, { table, name, definition, is_constraint }] of definitions.entries()) {
      onProgress?.(made, definitions.length);
      await (
        is_constraint
          ? sql`alter table ${sql.table(table)} add constraint ${sql.id(name)} ${sql.raw(definition)}`
          : sql.raw(definition)
      ).execute(transaction);
    }
  };
}

async function listIndexes(db: Db): Promise<Definition[]> {
  const { rows } = await sql<Definition>`
    select relname::text as table, coalesce(conname::text, indexrelid::regclass::text) as name,
      coalesce(pg_get_constraintdef(pg_constraint.oid), pg_get_indexdef(indexrelid)) as definition,
      conname is not null as is_constraint
    from pg_class
    join pg_index on indrelid = pg_class.oid
    left join pg_constraint on conindid = indexrelid and conrelid = indrelid
    where relname = any(${Object.keys(contents)}::text[]) and relname not like 'kysely_%'
      and relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relkind = 'r'
      and not exists (select from pg_constraint as reference where confrelid = pg_class.oid)
    order by 1, 2`.execute(db);
  return rows;
}
