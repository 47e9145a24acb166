import type { Db } from "../db/connect.ts";
import { holdRow } from "../db/transact.ts";
import { defineError } from "../lib/errors.ts";
import { cellNotFound, getCell, type Cell } from "../store/cells.ts";
import { getLogger, type Logger } from "../store/loggers.ts";
import { findRole, type Role } from "../store/members.ts";
import { hasHidden, listVisible, type Reader } from "../store/visibility.ts";
import { findPerson, requirePerson, type Caller, type Person, type Scope } from "./caller.ts";

const roleMissing = defineError(
  "forbidden",
  "role_missing",
  "This needs the role {role} on the cell",
);

const notYourLogger = defineError(
  "forbidden",
  "not_your_logger",
  "Only its owner may change a logger",
);

const ranks: Readonly<Record<Role, number>> = { viewer: 0, editor: 1, owner: 2 };

/**
 * A cell that the caller may read: a public one, or one they have a role on. Others don't exist, as far as they
 * are told.
 *
 * @throws KnownError (404)
 */
export async function getReadableCell(db: Db, caller: Caller, cellId: number): Promise<Cell> {
  const cell = await getCell(db, cellId);
  if (cell.visibility === "public") return cell;
  const person = findPerson(caller, "read");
  if (!person || !(await roleOn(db, person, cellId))) throw cellNotFound();
  return cell;
}

/**
 * Lets through who may read some cells. A cell that doesn't exist is let through too: older clients are answered
 * empty lists for it.
 *
 * @throws KnownError (404) when one of them is private, and not the caller's to read
 */
export async function requireReadable(
  db: Db,
  caller: Caller,
  ...cellIds: readonly number[]
): Promise<void> {
  if (await hasHidden(db, readerOf(caller), cellIds)) throw cellNotFound();
}

/** Those of some cells that exist and the caller may read, in their order. */
export async function listReadable(
  db: Db,
  caller: Caller,
  cellIds: readonly number[],
): Promise<number[]> {
  const visible = new Set(await listVisible(db, readerOf(caller), cellIds));
  return cellIds.filter((id) => visible.has(id));
}

/**
 * A cell that the caller may manage: they have at least that role on it, and a key the scope.
 *
 * @throws KnownError: 401 for nobody, 404 where they may not even know of it, 403 where their role is too low
 */
export async function getManagedCell(
  db: Db,
  caller: Caller,
  cellId: number,
  role: Role,
  scope: Scope = "manage",
): Promise<Cell> {
  const person = requirePerson(caller, scope);
  const cell = await getCell(db, cellId);
  const has = await roleOn(db, person, cellId);
  if (!has && cell.visibility === "private") throw cellNotFound();
  if (!has || ranks[has] < ranks[role]) throw roleMissing({ role });
  return cell;
}

/**
 * The same for a change: the cell and who has which role on it stay as they are seen here until the transaction
 * ends.
 */
export async function holdManagedCell(
  transaction: Db,
  caller: Caller,
  cellId: number,
  role: Role,
): Promise<Cell> {
  requirePerson(caller, "manage");
  await holdRow(transaction, "cell", cellId);
  return await getManagedCell(transaction, caller, cellId, role);
}

/**
 * A logger that the caller may manage: it is theirs, and a key has the scope.
 *
 * @throws KnownError: 401 for nobody, 404 where there is none, 403 where it is someone else's
 */
export async function getManagedLogger(db: Db, caller: Caller, id: number): Promise<Logger> {
  const { userId, admin } = requirePerson(caller, "manage");
  const logger = await getLogger(db, id);
  if (logger.user_id !== userId && !admin) throw notYourLogger();
  return logger;
}

/** The same for a change: the logger stays as it is seen here until the transaction ends. */
export async function holdManagedLogger(
  transaction: Db,
  caller: Caller,
  id: number,
): Promise<Logger> {
  requirePerson(caller, "manage");
  await holdRow(transaction, "logger", id);
  return await getManagedLogger(transaction, caller, id);
}

/** Whom lists of cells are made for. */
export function readerOf(caller: Caller): Reader {
  const person = findPerson(caller, "read");
  return { userId: person?.userId, admin: person?.admin ?? false };
}

/** Admins have every role. */
async function roleOn(
  db: Db,
  { userId, admin }: Person,
  cellId: number,
): Promise<Role | undefined> {
  return admin ? "owner" : await findRole(db, cellId, userId);
}
