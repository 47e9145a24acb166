import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { cellNotFound, type Cell } from "./cells.ts";
import type { Role } from "./members.ts";
import { hasRole, isVisibleTo, roleOf, type Reader } from "./visibility.ts";

/** A cell as it looks to a reader. */
interface ListedCell extends Cell {
  readonly tags: { id: number; name: string }[];
  /** What the reader may do with it; null where that is no more than anyone may. */
  readonly role: Role | null;
}

/** Which cells; of those that the reader may see. */
interface CellFilter {
  /** Contained in the name, in whatever letter case. */
  readonly name?: string | undefined;
  /** One of them at least. */
  readonly tagIds?: readonly number[] | undefined;
  /** Those alone that the reader has a role on. */
  readonly own?: boolean | undefined;
}

/** The cells that a reader may see, by number. */
export async function listCells(
  db: Db,
  reader: Reader,
  { name, tagIds, own }: CellFilter = {},
): Promise<ListedCell[]> {
  let query = selectListed(db, reader).orderBy("cell.id");
  if (own) query = query.where(hasRole(reader));
  if (name) query = query.where("cell.name", "ilike", `%${escapePattern(name)}%`);
  if (tagIds)
    query = query.where(
      sql<boolean>`exists (select from cell_tag where cell_id = cell.id and tag_id = any(${tagIds}::int[]))`,
    );
  return await query.execute();
}

/** @throws KnownError when there is none, or none that the reader may see */
export async function getListedCell(db: Db, reader: Reader, id: number): Promise<ListedCell> {
  const cell = await selectListed(db, reader).where("cell.id", "=", id).executeTakeFirst();
  if (!cell) throw cellNotFound();
  return cell;
}

/** A text that stands for itself in `like`. */
export function escapePattern(text: string): string {
  return text.replace(/[\\%_]/g, String.raw`\$&`);
}

function selectListed(db: Db, reader: Reader) {
  return db
    .selectFrom("cell")
    .select([
      "cell.id",
      "cell.name",
      "cell.location",
      "cell.latitude",
      "cell.longitude",
      "cell.archive",
      "cell.user_id",
      "cell.upload_policy",
      "cell.visibility",
      roleOf(reader).as("role"),
      sql<ListedCell["tags"]>`coalesce((
        select json_agg(json_build_object('id', tag.id, 'name', tag.name) order by lower(tag.name))
        from cell_tag join tag on tag.id = cell_tag.tag_id where cell_tag.cell_id = cell.id
      ), '[]')`.as("tags"),
    ])
    .where(isVisibleTo(reader));
}
