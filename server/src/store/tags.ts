import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { escapePattern } from "./cell-list.ts";
import { requireRoom } from "./quota.ts";
import { updateNamed } from "./update-named.ts";
import { isVisibleTo, type Reader } from "./visibility.ts";

/** A word that cells are found by. */
export interface Tag {
  readonly id: number;
  readonly name: string;
  readonly description: string | null;
  readonly created_at: Date;
  readonly created_by: string | null;
  /** Of the cells that the reader may see. */
  readonly cell_count: number;
}

interface NewTag {
  readonly name: string;
  readonly description: string | null;
  /** Null: nobody knows any more. */
  readonly creatorId: string | null;
  /** A number that is free; without one, the next. */
  readonly id?: number | undefined;
  /** When it was made, where that wasn't now. */
  readonly createdAt?: Date | undefined;
}

const tagNotFound = defineError("not_found", "tag_not_found", "Tag not found");
const tagNameTaken = defineError("invalid", "tag_name_taken", "Tag with this name already exists");

/** @returns its number. @throws KnownError when the name is taken, in whatever letter case, or its maker has very many */
export async function createTag(
  db: Db,
  { name, description, creatorId, id, createdAt }: NewTag,
): Promise<number> {
  await requireRoom(db, "tag", creatorId);
  const created = await db
    .insertInto("tag")
    .values({
      ...(id === undefined ? {} : { id }),
      name: name.trim(),
      description,
      created_by: creatorId,
      ...(createdAt === undefined ? {} : { created_at: createdAt }),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  if (!created) throw tagNameTaken();
  return created.id;
}

/** Tags by name, those whose name contains a text, or those of one cell. */
export async function listTags(
  db: Db,
  reader: Reader,
  { search, cellId }: { readonly search?: string | undefined; readonly cellId?: number } = {},
): Promise<Tag[]> {
  let query = selectTags(db, reader).orderBy(sql`lower(tag.name)`);
  if (search) query = query.where("tag.name", "ilike", `%${escapePattern(search)}%`);
  if (cellId !== undefined)
    query = query.where(
      sql<boolean>`tag.id in (select tag_id from cell_tag where cell_id = ${cellId})`,
    );
  return await query.execute();
}

/** @throws KnownError when there is none */
export async function getTag(db: Db, reader: Reader, id: number): Promise<Tag> {
  const tag = await selectTags(db, reader).where("tag.id", "=", id).executeTakeFirst();
  if (!tag) throw tagNotFound();
  return tag;
}

/** @throws KnownError when the tag is gone, or the name is another one's, in whatever letter case */
export async function updateTag(
  db: Db,
  id: number,
  changes: { readonly name?: string; readonly description?: string | null },
): Promise<void> {
  await updateNamed(changes, (set) => db.updateTable("tag").set(set).where("id", "=", id), {
    gone: tagNotFound,
    taken: tagNameTaken,
  });
}

/** @throws KnownError when there is none */
export async function deleteTag(db: Db, id: number): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom("tag").where("id", "=", id).executeTakeFirst();
  if (numDeletedRows === 0n) throw tagNotFound();
}

function selectTags(db: Db, reader: Reader) {
  return db.selectFrom("tag").select([
    "tag.id",
    "tag.name",
    "tag.description",
    "tag.created_at",
    "tag.created_by",
    sql<number>`(
        select count(*) from cell_tag join cell on cell.id = cell_tag.cell_id
        where cell_tag.tag_id = tag.id and ${isVisibleTo(reader)}
      )`.as("cell_count"),
  ]);
}
