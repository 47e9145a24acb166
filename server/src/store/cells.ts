import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

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
}

/** Who may upload to a cell: anyone who knows its number, or holders of a key. */
export const uploadPolicies = ["open", "key"] as const;
export type UploadPolicy = (typeof uploadPolicies)[number];

export interface NewCell {
  readonly name: string;
  readonly location?: string | null;
  readonly latitude?: number | null;
  readonly longitude?: number | null;
  readonly uploadPolicy: UploadPolicy;
}

const cellNotFound = defineError("not_found", "cell_not_found", "Cell not found");
const cellNameTaken = defineError("conflict", "cell_name_taken", "Duplicate cell name: {name}");

const columns = [
  "id",
  "name",
  "location",
  "latitude",
  "longitude",
  "archive",
  "user_id",
  "upload_policy",
] as const;

/** @throws KnownError when the name is taken, in whatever letter case */
export async function createCell(db: Db, { name, uploadPolicy, ...place }: NewCell): Promise<Cell> {
  const row = {
    name: name.trim(),
    location: place.location ?? null,
    latitude: place.latitude ?? null,
    longitude: place.longitude ?? null,
    upload_policy: uploadPolicy,
  };
  const created = await db
    .insertInto("cell")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw cellNameTaken({ name: row.name });
  return created;
}

/** All cells by number, or those whose name contains a text in whatever letter case. */
export async function listCells(
  db: Db,
  { name }: { readonly name?: string | undefined } = {},
): Promise<Cell[]> {
  let query = db.selectFrom("cell").select(columns).orderBy("id");
  if (name) query = query.where("name", "ilike", `%${name.replace(/[\\%_]/g, String.raw`\$&`)}%`);
  return await query.execute();
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
