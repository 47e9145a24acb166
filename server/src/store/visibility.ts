import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Role } from "./members.ts";

/** Whom cells are read for: they see what is public, and what they have a role on; admins see all. */
export interface Reader {
  readonly userId: string | undefined;
  readonly admin: boolean;
}

/** Sees all. */
export const everything: Reader = { userId: undefined, admin: true };

/** Whether the reader may see a row of the table `cell`. */
export function isVisibleTo(reader: Reader): RawBuilder<boolean> {
  return sql<boolean>`(cell.visibility = 'public' or ${reader.admin} or ${hasRole(reader)})`;
}

/** Whether the reader has a role on a row of the table `cell`. */
export function hasRole(reader: Reader): RawBuilder<boolean> {
  return sql<boolean>`(${roleOf(reader)} is not null)`;
}

/** The reader's role on a row of the table `cell`. */
export function roleOf(reader: Reader): RawBuilder<Role | null> {
  const userId = reader.userId ?? null;
  return sql<Role | null>`case when cell.user_id = ${userId}::uuid then 'owner'
    else (select role from cell_member where cell_id = cell.id and account_id = ${userId}::uuid) end`;
}

/** Whether one of some cells exists and the reader may not see it. */
export async function hasHidden(
  db: Db,
  reader: Reader,
  cellIds: readonly number[],
): Promise<boolean> {
  const row = await db
    .selectFrom("cell")
    .select("id")
    .where(sql<boolean>`id = any(${cellIds}::int[])`)
    .where(sql<boolean>`not ${isVisibleTo(reader)}`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Those of some cells that exist and the reader may see. */
export async function listVisible(
  db: Db,
  reader: Reader,
  cellIds: readonly number[],
): Promise<number[]> {
  const rows = await db
    .selectFrom("cell")
    .select("id")
    .where(sql<boolean>`id = any(${cellIds}::int[])`)
    .where(isVisibleTo(reader))
    .execute();
  return rows.map(({ id }) => id);
}
