import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";
import { recordDeed, type Actor } from "../store/audit.ts";
import { deleteQuarantined } from "../store/quarantine.ts";

/**
 * Lets an upload in quarantine go for good.
 *
 * @param at Unix seconds
 * @returns whether it was there
 */
export async function discard(db: Db, id: number, actor: Actor, at: number): Promise<boolean> {
  return await transact(db, async (transaction) => {
    const details = await deleteQuarantined(transaction, id);
    if (!details) return false;
    const object = { objectType: "upload", objectId: String(id) } as const;
    await recordDeed(transaction, { at, actor, action: "delete", ...object, details });
    return true;
  });
}
