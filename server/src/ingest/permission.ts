import type { Db } from "../db/connect.ts";
import type { Cell } from "../store/cells.ts";
import { findUploadable } from "../store/members.ts";
import { closedCell, forbiddenCell, otherLogger, type Refusal } from "./refusal.ts";
import { describeReference, type Directory } from "./directory.ts";
import type { Reference, Sender } from "./uplink.ts";

/**
 * The cells that take uploads from a sender: those that take them from anyone, and those that the sender, or the
 * owner of the logger that sends, may upload to.
 */
export async function findOpenTo(
  db: Db,
  sender: Sender,
  cells: readonly Cell[],
): Promise<ReadonlySet<number>> {
  const ids = cells.map(({ id }) => id);
  if (sender.kind === "user" && sender.admin) return new Set(ids);
  const open = cells.filter(({ upload_policy }) => upload_policy === "open").map(({ id }) => id);
  const userId = onBehalfOf(sender);
  if (userId === undefined || open.length === ids.length) return new Set(open);
  return new Set([...open, ...(await findUploadable(db, userId, ids))]);
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
function onBehalfOf(sender: Sender): string | undefined {
  if (sender.kind === "user" && sender.mayUpload) return sender.userId;
  if (sender.kind === "logger") return sender.ownerId ?? undefined;
  return undefined;
}
