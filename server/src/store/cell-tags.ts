import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

const noSuchTag = defineError("invalid", "no_such_tag", "tag_ids: there is no tag {id}");
const alreadyTagged = defineError("invalid", "already_tagged", "Tag already assigned to cell");
const notTagged = defineError("not_found", "not_tagged", "Tag not assigned to this cell");

/** Gives a cell these tags and no others. @throws KnownError when there is no such tag */
export async function setCellTags(
  db: Db,
  cellId: number,
  tagIds: readonly number[],
): Promise<void> {
  await requireTags(db, tagIds);
  await db.deleteFrom("cell_tag").where("cell_id", "=", cellId).execute();
  await insert(db, cellId, tagIds);
}

/** @throws KnownError when the cell has the tag */
export async function addCellTag(db: Db, cellId: number, tagId: number): Promise<void> {
  if ((await insert(db, cellId, [tagId])) === 0) throw alreadyTagged();
}

/** @throws KnownError when the cell doesn't have the tag */
export async function removeCellTag(db: Db, cellId: number, tagId: number): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom("cell_tag")
    .where("cell_id", "=", cellId)
    .where("tag_id", "=", tagId)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw notTagged();
}

async function requireTags(db: Db, tagIds: readonly number[]): Promise<void> {
  const { rows } = await sql<{ id: number }>`
    select id from unnest(${tagIds}::int[]) as wanted (id)
    where not exists (select from tag where tag.id = wanted.id) limit 1`.execute(db);
  if (rows[0]) throw noSuchTag(rows[0]);
}

async function insert(db: Db, cellId: number, tagIds: readonly number[]): Promise<number> {
  const { numAffectedRows } = await sql`
    insert into cell_tag (cell_id, tag_id) select distinct ${cellId}::int, unnest(${tagIds}::int[])
    on conflict do nothing`.execute(db);
  return Number(numAffectedRows);
}
