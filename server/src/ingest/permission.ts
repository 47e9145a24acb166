import type { Cell } from "../store/cells.ts";
import type { KnownLogger, Logger } from "../store/loggers.ts";
import { closedCell, forbiddenCell, otherLogger, type Refusal } from "./refusal.ts";
import { describeReference, type Directory } from "./directory.ts";
import type { Lookup, Roles } from "./lookup.ts";
import type { Reference, Sender } from "./uplink.ts";

/** Who of some senders may upload to which of some cells by a role, where that matters. */
export async function findRoles(
  lookup: Lookup,
  senders: readonly Sender[],
  cells: readonly Cell[],
): Promise<Roles> {
  const closed = cells.filter(({ upload_policy }) => upload_policy !== "open");
  return await findRolesOf(lookup, senders.map(onBehalfOf), closed);
}

/** The same of those who own loggers with a setting of their own. */
export async function findOwnersRoles(
  lookup: Lookup,
  loggers: readonly Logger[],
  cells: readonly Cell[],
): Promise<Roles> {
  const set = loggers.filter(({ vwc_unit }) => vwc_unit !== null);
  const owners = set.map(({ user_id }) => user_id ?? undefined);
  return await findRolesOf(lookup, owners, cells);
}

async function findRolesOf(
  lookup: Lookup,
  userIds: readonly (string | undefined)[],
  cells: readonly Cell[],
): Promise<Roles> {
  const known = [...new Set(userIds)].filter((id) => id !== undefined);
  if (known.length === 0 || cells.length === 0) return new Map();
  return await lookup.uploadable(
    known,
    cells.map(({ id }) => id),
  );
}

/**
 * Whether a logger's settings hold for what comes under its number to a cell. They do where it is known to be its
 * owner's, and where its owner may upload by a role; what belongs to nobody is the operator's, as an admin's is. Numbers
 * are what nodes say: a stranger's logger may have the same.
 *
 * @param whose the user by whose key, or their logger's, it comes, if it comes by one
 */
export function isHeeded(
  { user_id: ownerId, of_admin }: KnownLogger,
  whose: string | null | undefined,
  cell: Pick<Cell, "id" | "user_id">,
  ownersRoles: Roles,
): boolean {
  if (ownerId === null || of_admin || cell.user_id === null) return true;
  return whose === ownerId || (ownersRoles.get(ownerId)?.has(cell.id) ?? false);
}

/** Whether a cell takes uploads from a sender: from anyone, or for their role or that of the sending logger's owner. */
export function isOpenTo(sender: Sender, { id, upload_policy }: Cell, roles: Roles): boolean {
  if (upload_policy === "open" || (sender.kind === "user" && sender.admin)) return true;
  const userId = onBehalfOf(sender);
  return userId !== undefined && (roles.get(userId)?.has(id) ?? false);
}

/** What a sender is told of a cell that doesn't take their uploads. */
export function refuseCell(sender: Sender, cell: Reference): Refusal {
  const name = describeReference(cell);
  return sender.kind === "nobody" ? closedCell(name) : forbiddenCell(name);
}

/**
 * What is wrong with the logger that a measurement names: an upload key is good for its own logger only. Firmware
 * that was told no number sends 0.
 */
export function findLoggerFault(
  sender: Sender,
  reference: Reference | undefined,
  loggers: Directory<{ readonly id: number; readonly name: string }>,
): Refusal | undefined {
  if (sender.kind !== "logger" || !reference) return undefined;
  const id = "id" in reference ? reference.id : loggers.find(reference)?.id;
  if (id === 0 || id === sender.loggerId) return undefined;
  return otherLogger(describeReference(reference));
}

/** Whose role on a cell counts. */
export function onBehalfOf(sender: Sender): string | undefined {
  if (sender.kind === "user" && sender.mayUpload) return sender.userId ?? undefined;
  if (sender.kind === "logger") return sender.ownerId ?? undefined;
  return undefined;
}
