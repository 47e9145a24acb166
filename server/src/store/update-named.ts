import type { UpdateResult } from "kysely";
import { isDuplicate } from "../db/fault.ts";
import type { KnownError } from "../lib/errors.ts";

/**
 * Changes a row whose name, in whatever letter case, no other one of its table has; nothing where nothing is to change.
 *
 * @param update the statement that sets these columns of the row
 * @throws KnownError: `gone` when there is no such row, `taken` when another one has the name
 */
export async function updateNamed<Changes extends { readonly name?: string }>(
  changes: Changes,
  update: (set: Changes) => { executeTakeFirst(): Promise<UpdateResult> },
  { gone, taken }: { readonly gone: () => KnownError; readonly taken: () => KnownError },
): Promise<void> {
  const { name } = changes;
  const set = name === undefined ? changes : { ...changes, name: name.trim() };
  if (Object.keys(set).length === 0) return;
  try {
    const { numUpdatedRows } = await update(set).executeTakeFirst();
    if (numUpdatedRows === 0n) throw gone();
  } catch (error) {
    throw isDuplicate(error) ? taken() : error;
  }
}
