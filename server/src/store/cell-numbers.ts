import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

/** Room is left for the numbers of cells that are made later. */
export const largestCellNumber = 2_000_000_000;

const numberTaken = defineError(
  "conflict",
  "cell_number_taken",
  "number {id} is that of another cell, {name}",
);
const numberUsed = defineError(
  "conflict",
  "cell_number_used",
  "number {id} was that of a cell that is deleted; numbers aren't given again, since nodes may still send for what they were",
);
const numberTooLarge = defineError(
  "invalid",
  "cell_number_too_large",
  `a cell's number is from 1 to ${largestCellNumber}`,
);

/**
 * Makes sure that a cell can be made with a number that somebody wants, and that those that are numbered by themselves
 * later go on behind it.
 *
 * @param transaction is one: no other cell is made until it ends
 * @throws KnownError when a cell has the number, or had it
 */
export async function takeCellNumber(transaction: Db, id: number): Promise<void> {
  if (id < 1 || id > largestCellNumber) throw numberTooLarge();
  await sql`lock table cell in share row exclusive mode`.execute(transaction);
  const { rows } = await sql<{ name: string | null; used: boolean }>`
    select (select name from cell where id = ${id}) as name,
      exists (select from deleted_cell where cell_id = ${id}) as used`.execute(transaction);
  const { name, used } = rows[0]!;
  if (name !== null) throw numberTaken({ id, name });
  if (used) throw numberUsed({ id });
  await sql`
    select setval(pg_get_serial_sequence('cell', 'id'), greatest(last_value, ${id})) from cell_id_seq`.execute(
    transaction,
  );
}
