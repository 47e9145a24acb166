import type { Db } from "../../db/connect.ts";
import { noIds, type Ids, type VwcRule } from "./series.ts";

/** How far an old cell has been read. */
export interface Progress {
  /** What its volumetric water content stands in; null: it has none yet. */
  readonly vwcRule: VwcRule | null;
  /** The zone in which its times were read; null: it is not known. */
  readonly zone: string | null;
  /** Up to these ids, all its rows are here. */
  readonly readTo: Ids;
  /** What was under way when it was stopped: up to these ids, and stored up to this instant (Unix seconds). */
  readonly pass: { readonly to: Ids; readonly reached: number } | null;
}

/** How far each old cell has been read, by its number; those that haven't been begun are not there. */
export async function listProgress(db: Db): Promise<Map<number, Progress>> {
  const rows = await db.selectFrom("legacy_cell").selectAll().execute();
  return new Map(
    rows.map(({ cell_id, vwc_rule, zone, read_to, pass }) => [
      cell_id,
      {
        vwcRule: vwc_rule,
        zone,
        readTo: { ...noIds, ...read_to },
        pass: pass && { to: { ...noIds, ...pass.to }, reached: pass.reached },
      },
    ]),
  );
}

/** Keeps how far an old cell has been read, in place of what was kept of it before. */
export async function saveProgress(
  db: Db,
  cellId: number,
  { vwcRule, zone, readTo, pass }: Progress,
): Promise<void> {
  const progress = {
    vwc_rule: vwcRule,
    zone,
    read_to: JSON.stringify(readTo),
    pass: pass && JSON.stringify(pass),
  };
  await db
    .insertInto("legacy_cell")
    .values({ cell_id: cellId, ...progress })
    .onConflict((conflict) => conflict.column("cell_id").doUpdateSet(progress))
    .execute();
}
