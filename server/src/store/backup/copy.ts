import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { sql } from "kysely";
import type { Client } from "pg";
import { from, to } from "pg-copy-streams";
import type { Db } from "../../db/connect.ts";
import type { KeptTable } from "./contents.ts";

/** Makes COPY write values in one form, whatever the database is set to; for the rest of the transaction. */
export async function fixForm(db: Db): Promise<void> {
  await sql`
    select set_config(name, setting, true) from (values
      ('timezone', 'UTC'), ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('bytea_output', 'hex'),
      ('extra_float_digits', '1'), ('xmloption', 'content')
    ) as fixed (name, setting)`.execute(db);
}

/** All rows of a table, in chunks of PostgreSQL's text format, however they are cut. */
export function copyOut(client: Client, table: Pick<KeptTable, "name" | "columns">): Readable {
  // Of a query, because extensions keep a table's rows elsewhere, where only a query finds them.
  const select = `select ${columnsOf(client, table)} from ${client.escapeIdentifier(table.name)}`;
  const rows = client.query(to(`copy (${select}) to stdout`));
  // Who reads hears of it; when nobody reads any more, a connection that ends would end the process.
  rows.on("error", () => undefined);
  return rows;
}

/**
 * Adds rows to a table that this transaction has made: they are marked as old for everyone, so that nothing has to be
 * vacuumed before reads find them in the index alone.
 *
 * @returns how many there were
 */
export async function copyIn(
  client: Client,
  table: Pick<KeptTable, "name" | "columns">,
  parts: AsyncIterable<Buffer>,
): Promise<number> {
  const copy = client.query(
    from(
      `copy ${client.escapeIdentifier(table.name)} (${columnsOf(client, table)}) from stdin with (freeze)`,
    ),
  );
  await pipeline(Readable.from(parts, { highWaterMark: 1 }), copy);
  return copy.rowCount;
}

function columnsOf(client: Client, { columns }: Pick<KeptTable, "columns">): string {
  return columns.map((column) => client.escapeIdentifier(column)).join(", ");
}
