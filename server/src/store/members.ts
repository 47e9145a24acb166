import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { cellNotFound } from "./cells.ts";
import { requireRoomForGift } from "./quota.ts";

/** What someone may do with a cell: owners everything, editors change and upload, viewers read. */
const roles = ["owner", "editor", "viewer"] as const;
export type Role = (typeof roles)[number];

/** What a cell is shared for; it has one owner, who is none of those it is shared with. */
type SharedRole = Exclude<Role, "owner">;

/** Someone who has access to a cell. */
export interface Member {
  readonly id: string;
  readonly email: string;
  readonly first_name: string;
  readonly last_name: string;
  readonly role: Role;
}

const alreadyMember = defineError(
  "invalid",
  "already_shared",
  "User already has access to this cell",
);
const notMember = defineError("not_found", "not_shared", "User has no access to this cell");
const ownerStays = defineError(
  "invalid",
  "owner_stays",
  "This is the cell's owner: hand it over to someone else first",
);

/** The role of a user on a cell, if they have one. */
export async function findRole(db: Db, cellId: number, userId: string): Promise<Role | undefined> {
  const { rows } = await sql<{ role: Role }>`
    select 'owner' as role from cell where id = ${cellId} and user_id = ${userId}
    union all
    select role from cell_member where cell_id = ${cellId} and account_id = ${userId}
    limit 1`.execute(db);
  return rows[0]?.role;
}

/** Those of some cells that some users may upload to: they own or edit them. @returns an entry for each user */
export async function findUploadable(
  db: Db,
  userIds: readonly string[],
  cellIds: readonly number[],
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const { rows } = await sql<{ userId: string; cellId: number }>`
    select user_id as "userId", id as "cellId" from cell
    where id = any(${cellIds}::int[]) and user_id = any(${userIds}::uuid[])
    union
    select account_id, cell_id from cell_member
    where cell_id = any(${cellIds}::int[]) and account_id = any(${userIds}::uuid[]) and role = 'editor'`.execute(
    db,
  );
  const found = new Map(userIds.map((id) => [id, new Set<number>()]));
  for (const { userId, cellId } of rows) found.get(userId)!.add(cellId);
  return found;
}

/** Everyone who has access to a cell, its owner first. */
export async function listMembers(db: Db, cellId: number): Promise<Member[]> {
  const { rows } = await sql<Member>`
    select id, email, first_name, last_name, role from (
      select user_id as account_id, 'owner' as role, 0 as rank from cell where id = ${cellId}
      union all
      select account_id, role, 1 from cell_member where cell_id = ${cellId}
    ) as member join account on account.id = account_id
    order by rank, lower(email)`.execute(db);
  return rows;
}

/** Gives a user a role on a cell. @throws KnownError when they have one */
export async function addMember(
  db: Db,
  cellId: number,
  userId: string,
  role: SharedRole,
): Promise<void> {
  if ((await findRole(db, cellId, userId)) !== undefined) throw alreadyMember();
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("cell_member")
    .values({ cell_id: cellId, account_id: userId, role })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n) throw alreadyMember();
}

/** Gives a user a role on a cell, whatever they had. @throws KnownError when they are its owner */
export async function setMember(
  db: Db,
  cellId: number,
  userId: string,
  role: SharedRole,
): Promise<void> {
  if ((await findRole(db, cellId, userId)) === "owner") throw ownerStays();
  await db
    .insertInto("cell_member")
    .values({ cell_id: cellId, account_id: userId, role })
    .onConflict((conflict) => conflict.columns(["cell_id", "account_id"]).doUpdateSet({ role }))
    .execute();
}

/**
 * Shares a cell with these users and nobody else, beside its owner. Who had a role keeps it; who hadn't becomes
 * editor.
 *
 * @param userIds of users that there are
 */
export async function setMembers(
  db: Db,
  cellId: number,
  userIds: readonly string[],
): Promise<void> {
  await sql`
    delete from cell_member
    where cell_id = ${cellId} and account_id <> all (${userIds}::uuid[])`.execute(db);
  await sql`
    insert into cell_member (cell_id, account_id, role)
    select cell.id, wanted, 'editor' from cell, unnest(${userIds}::uuid[]) as wanted
    where cell.id = ${cellId} and wanted is distinct from cell.user_id
    order by wanted
    on conflict do nothing`.execute(db);
}

/** Takes a user's role on a cell away. @throws KnownError when they have none, or are its owner */
export async function removeMember(db: Db, cellId: number, userId: string): Promise<void> {
  if ((await findRole(db, cellId, userId)) === "owner") throw ownerStays();
  const { numDeletedRows } = await db
    .deleteFrom("cell_member")
    .where("cell_id", "=", cellId)
    .where("account_id", "=", userId)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw notMember();
}

/**
 * Hands a cell over: the new owner has it alone, the old one stays as editor.
 *
 * @param transaction is one, so that there is one owner at any moment
 * @throws KnownError when they are its owner, or the cell is gone
 */
export async function handOver(transaction: Db, cellId: number, newOwnerId: string): Promise<void> {
  const cell = await transaction
    .selectFrom("cell")
    .select("user_id")
    .where("id", "=", cellId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!cell) throw cellNotFound();
  const { user_id: oldOwnerId } = cell;
  if (oldOwnerId === newOwnerId) throw alreadyMember();
  await requireRoomForGift(transaction, newOwnerId);
  await transaction
    .deleteFrom("cell_member")
    .where("cell_id", "=", cellId)
    .where("account_id", "=", newOwnerId)
    .execute();
  await transaction
    .updateTable("cell")
    .set({ user_id: newOwnerId })
    .where("id", "=", cellId)
    .execute();
  if (oldOwnerId) await setMember(transaction, cellId, oldOwnerId, "editor");
}
