import type { Db } from "../../db/connect.ts";
import { KnownError } from "../../lib/errors.ts";
import { findCells } from "../../store/cells.ts";
import { findUploadable } from "../../store/members.ts";
import { listVisible, type Reader } from "../../store/visibility.ts";

/** A cell that a file has readings of, and whether they may go there. */
export interface CheckedCell {
  readonly id: number;
  /** Undefined: there is no such cell, as far as who imports may know. */
  readonly name: string | undefined;
  readonly problem: string | undefined;
}

/**
 * Finds out whether readings may be imported into some cells: their owners and editors may do so, and admins.
 *
 * @returns the cells in the order of `ids`
 */
export async function checkCells(
  db: Db,
  importer: Reader,
  ids: readonly number[],
): Promise<CheckedCell[]> {
  const stored = ids.filter((id) => id < 2 ** 31);
  const visible = new Set(await listVisible(db, importer, stored));
  const rows = await findCells(db, [...visible], []);
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  const open = new Set(await listOpen(db, importer, [...visible]));
  return ids.map((id) => {
    const name = visible.has(id) ? names.get(id) : undefined;
    return { id, name, problem: describeProblem(name, open.has(id)) };
  });
}

/** @throws KnownError where nothing can be imported into one of the cells */
export function requireOpen(cells: readonly CheckedCell[]): void {
  refuseClosed(cells, "nothing was imported, because not everything can be");
}

/** The same in the middle of an import: cells are deleted meanwhile, and roles taken away. @throws KnownError */
export async function requireStillOpen(
  db: Db,
  importer: Reader,
  ids: readonly number[],
): Promise<void> {
  const cells = await checkCells(db, importer, ids);
  refuseClosed(cells, "only a part was imported, because no more of it can be");
}

function refuseClosed(cells: readonly CheckedCell[], consequence: string): void {
  const closed = cells.filter(({ problem }) => problem !== undefined);
  const [first] = closed;
  if (!first) return;
  const kind = closed.every(({ name }) => name !== undefined) ? "forbidden" : "not_found";
  const which = closed.slice(0, 10).map(({ id, problem }) => `cell ${id}: ${problem}`);
  const more = closed.length > 10 ? `, and ${closed.length - 10} more` : "";
  const message = `${consequence}: ${which.join("; ")}${more}`;
  throw new KnownError(kind, "cells_refused", message);
}

async function listOpen(
  db: Db,
  { userId, admin }: Reader,
  ids: readonly number[],
): Promise<readonly number[]> {
  if (admin) return ids;
  return userId === undefined ? [] : [...(await findUploadable(db, [userId], ids)).get(userId)!];
}

function describeProblem(name: string | undefined, isOpen: boolean): string | undefined {
  if (name === undefined)
    return "there is no such cell here (it can be made with this number, or one be named that all of the file goes to)";
  return isOpen ? undefined : "only its owner and editors may import into it";
}
