import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

/** What one account may have. */
const most = { cell: 10_000, logger: 10_000, tag: 1_000 } as const;
const owners = { cell: "user_id", logger: "user_id", tag: "created_by" } as const;

/** What an account is told that has as many as it may. */
export const tooMany = {
  cell: defineError("conflict", "too_many_cells", "You have {most} cells, and may have no more"),
  logger: defineError(
    "conflict",
    "too_many_loggers",
    "You have {most} loggers, and may have no more",
  ),
  tag: defineError("conflict", "too_many_tags", "You have made {most} tags, and may make no more"),
};

/** Of what it may have, an account takes no more than this share from others, who don't ask it. */
const shareFromOthers = 0.5;

const hasManyCells = defineError(
  "conflict",
  "owner_has_many_cells",
  "Who is to own the cell has {most} cells already: no more can be handed over to them",
);

/** Makes sure that an account may be handed a cell, until the transaction ends. @throws KnownError (409) */
export async function requireRoomForGift(transaction: Db, ownerId: string): Promise<void> {
  const bound = most.cell * shareFromOthers;
  if ((await countOwned(transaction, "cell", ownerId)) >= bound)
    throw hasManyCells({ most: bound });
}

/**
 * Makes sure that an account may have one more, until the transaction ends. What is nobody's isn't counted.
 *
 * @throws KnownError (409) when it has as many as it may
 */
export async function requireRoom(
  transaction: Db,
  table: keyof typeof most,
  ownerId: string | null | undefined,
): Promise<void> {
  if (!ownerId) return;
  const count = await countOwned(transaction, table, ownerId);
  if (count >= most[table]) throw tooMany[table]({ most: most[table] });
}

async function countOwned(
  transaction: Db,
  table: keyof typeof most,
  ownerId: string,
): Promise<number> {
  // Those that one account makes at the same time are counted one after the other.
  await sql`select from account where id = ${ownerId} for no key update`.execute(transaction);
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from ${sql.table(table)} where ${sql.ref(owners[table])} = ${ownerId}`.execute(
    transaction,
  );
  return rows[0]!.count;
}
