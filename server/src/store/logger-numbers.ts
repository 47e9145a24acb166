import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

/** A number that a node sends under, and that no logger has. */
interface FreeNumber {
  readonly id: number;
  /** The cell that it has sent to first. */
  readonly cell_id: number;
  readonly first_received_at: Date;
}

const numberTaken = defineError(
  "conflict",
  "logger_number_taken",
  "number {id} is that of another logger, {name}",
);
const numberNotYours = defineError(
  "forbidden",
  "logger_number_not_yours",
  "number {id} can be given by admins, and by who owns the cell that it has sent to first",
);

/** A number for a logger that is made later: none that a logger has, or that a node sends under without being one. */
export async function reserveLoggerNumber(db: Db): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    with recursive number (id) as (
      select nextval(pg_get_serial_sequence('logger', 'id'))
      union all
      select nextval(pg_get_serial_sequence('logger', 'id')) from number
      where exists (select from logger where logger.id = number.id)
        or exists (select from logger_sighting where logger_id = number.id)
    )
    select max(id) as id from number`.execute(db);
  return rows[0]!.id;
}

/**
 * Makes sure that a logger can be made with a number that its node sends already.
 *
 * @param claimantId the user who wants it; undefined: an admin, who may have any
 * @throws KnownError when a logger has it, or it isn't theirs
 */
export async function requireClaimable(
  db: Db,
  id: number,
  claimantId: string | undefined,
): Promise<void> {
  const { rows } = await sql<{ name: string | null; ownerId: string | null }>`
    select (select name from logger where id = ${id}) as name, (
      select cell.user_id from logger_sighting join cell on cell.id = cell_id
      where logger_id = ${id} order by first_received_at, cell_id limit 1
    ) as "ownerId"`.execute(db);
  const { name, ownerId } = rows[0]!;
  if (claimantId !== undefined && ownerId !== claimantId) throw numberNotYours({ id });
  if (name !== null) throw numberTaken({ id, name });
}

/** The numbers that someone may claim, the newest first, a thousand at most. @param claimantId as above */
export async function listClaimable(
  db: Db,
  claimantId: string | undefined,
): Promise<readonly FreeNumber[]> {
  const isTheirs = claimantId === undefined ? sql`true` : sql`user_id = ${claimantId}`;
  const { rows } = await sql<FreeNumber>`
    select sighting.* from (
      select distinct on (logger_id) logger_id as id, cell_id, first_received_at from logger_sighting
      where logger_id between 1 and 2147483647 and not exists (select from logger where logger.id = logger_id)
      order by logger_id, first_received_at, cell_id
    ) as sighting join cell on cell.id = cell_id
    where ${isTheirs} order by first_received_at desc, id limit 1000`.execute(db);
  return rows;
}
