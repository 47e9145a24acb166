import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { takeCellNumber } from "./cell-numbers.ts";
import { requireRoom } from "./quota.ts";
import { updateNamed } from "./update-named.ts";

/** A place whose readings belong together: one microbial fuel cell, one plot, one pot. */
export interface Cell {
  readonly id: number;
  readonly name: string;
  readonly location: string | null;
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly archive: boolean;
  readonly user_id: string | null;
  readonly upload_policy: UploadPolicy;
  readonly visibility: Visibility;
}

/** Who may read a cell: everyone, or those who have a role on it. */
export const visibilities = ["public", "private"] as const;
export type Visibility = (typeof visibilities)[number];

/** Who may upload to a cell: anyone who knows its number, or holders of a key. */
export const uploadPolicies = ["open", "key"] as const;
export type UploadPolicy = (typeof uploadPolicies)[number];

interface NewCell {
  readonly name: string;
  readonly location?: string | null;
  readonly latitude?: number | null;
  readonly longitude?: number | null;
  readonly archive?: boolean;
  /** Its owner; without one, only admins change it. */
  readonly userId?: string | null;
  readonly uploadPolicy: UploadPolicy;
  readonly visibility?: Visibility;
  /** The number that nodes send for it already; without one, the next. To be made in a transaction. */
  readonly id?: number | undefined;
}

/** What may change of a cell; what is not there stays. */
export interface CellChanges {
  readonly name?: string;
  readonly location?: string | null;
  readonly latitude?: number | null;
  readonly longitude?: number | null;
  readonly archive?: boolean;
  readonly upload_policy?: UploadPolicy;
  readonly visibility?: Visibility;
}

/** Also what those are told who may not know of a cell. */
export const cellNotFound = defineError("not_found", "cell_not_found", "Cell not found");
export const cellNameTaken = defineError("invalid", "cell_name_taken", "Duplicate cell name");

const columns = [
  "id",
  "name",
  "location",
  "latitude",
  "longitude",
  "archive",
  "user_id",
  "upload_policy",
  "visibility",
] as const;

/** @throws KnownError when the name is taken, in whatever letter case, or the wanted number, or its owner has very many */
export async function createCell(db: Db, cell: NewCell): Promise<Cell> {
  const name = cell.name.trim();
  // A name that is seen to be taken costs no number.
  if ((await findCells(db, [], [name])).length > 0) throw cellNameTaken();
  await requireRoom(db, "cell", cell.userId);
  if (cell.id !== undefined) await takeCellNumber(db, cell.id);
  const created = await db
    .insertInto("cell")
    .values({
      ...(cell.id === undefined ? {} : { id: cell.id }),
      name,
      location: cell.location ?? null,
      latitude: cell.latitude ?? null,
      longitude: cell.longitude ?? null,
      archive: cell.archive ?? false,
      user_id: cell.userId ?? null,
      upload_policy: cell.uploadPolicy,
      visibility: cell.visibility ?? "public",
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw cellNameTaken();
  return created;
}

/** @throws KnownError when the cell is gone, or the name is another one's, in whatever letter case */
export async function updateCell(db: Db, id: number, changes: CellChanges): Promise<void> {
  await updateNamed(changes, (set) => db.updateTable("cell").set(set).where("id", "=", id), {
    gone: cellNotFound,
    taken: cellNameTaken,
  });
}

/**
 * Deletes a cell at once. Its readings are marked by that, and go later: `store/deletions.ts`.
 *
 * @throws KnownError when there is none
 */
export async function deleteCell(db: Db, id: number): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom("cell").where("id", "=", id).executeTakeFirst();
  if (numDeletedRows === 0n) throw cellNotFound();
}

/** @throws KnownError when there is none */
export async function getCell(db: Db, id: number): Promise<Cell> {
  const cell = await db.selectFrom("cell").select(columns).where("id", "=", id).executeTakeFirst();
  if (!cell) throw cellNotFound();
  return cell;
}

/** The cells with these numbers or names (in whatever letter case), as far as they exist. */
export async function findCells(
  db: Db,
  ids: readonly number[],
  names: readonly string[],
): Promise<Cell[]> {
  return await db
    .selectFrom("cell")
    .select(columns)
    .where(
      sql<boolean>`(id = any (${ids.filter(fitsInteger)}::int[])
        or lower(name) = any (array(select lower(unnest(${names}::text[])))))`,
    )
    .execute();
}

/** Devices send 32 unsigned bits, PostgreSQL's integers have a sign. */
function fitsInteger(id: number): boolean {
  return id < 2 ** 31;
}
