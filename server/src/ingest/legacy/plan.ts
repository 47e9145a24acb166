import type { Db } from "../../db/connect.ts";
import type { OldDatabase } from "../../store/legacy/old-database.ts";
import type { OldDirectory } from "../../store/legacy/old-directory.ts";
import { listProgress, type Progress } from "../../store/legacy/progress.ts";
import type { Ids, Series, VwcRule } from "../../store/legacy/series.ts";
import { countReadings } from "../../store/legacy/survey.ts";
import { fromTheBeginning, newProgress } from "./move-cell.ts";
import { columnSeries, sensorSeries } from "./streams.ts";
import { decideVwcRule, withVwcRule, type VwcDecision } from "./vwc-rule.ts";

export interface MoveInProgress {
  readonly phase: "counting" | "moving";
  /** Cells that were counted, or readings that were read. */
  readonly done: number;
  readonly total: number;
}

export interface PlanOrder {
  /** Cell → what its volumetric water content stands in, where its values shan't tell. */
  readonly vwcRules: ReadonlyMap<number, VwcRule>;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveInProgress) => void;
}

/** What is to be done for a cell. */
export interface Plan {
  readonly id: number;
  readonly name: string;
  readonly series: readonly Series[];
  readonly vwc: VwcDecision | undefined;
  readonly progress: Progress;
  readonly pending: number;
}

/**
 * Finds out what is to be read of some cells, and how much of it.
 *
 * @param ids of cells; those that the old backend hasn't got are left out
 */
export async function planCells(
  { db, old }: { readonly db: Db; readonly old: OldDatabase },
  { vwcRules, signal, onProgress }: PlanOrder,
  { directory, to, ids }: { directory: OldDirectory; to: Ids; ids: readonly number[] },
): Promise<Plan[]> {
  const known = await listProgress(db);
  const names = new Map(directory.cells.map(({ id, name }) => [id, name ?? ""]));
  const plans: Plan[] = [];
  for (const id of ids.filter((one) => names.has(one))) {
    signal.throwIfAborted();
    const all = findSeries(old, directory, id);
    const before = known.get(id)?.vwcRule ?? null;
    const vwc = await decideVwcRule(old, all, { told: vwcRules.get(id), before });
    const series = vwc ? withVwcRule(all, vwc.rule) : all;
    const progress = { ...(known.get(id) ?? newProgress(null)), vwcRule: vwc?.rule ?? null };
    const range = { after: progress.readTo, to, from: fromTheBeginning };
    const pending = await countReadings(old, series, range);
    plans.push({ id, name: names.get(id)!, series, vwc, progress, pending });
    onProgress({ phase: "counting", done: plans.length, total: ids.length });
  }
  return plans;
}

function findSeries(old: OldDatabase, { sensors }: OldDirectory, cellId: number): Series[] {
  const columns = columnSeries(cellId, (table, column) => old.has(table, column));
  const isData = old.has("data");
  const own = isData ? sensors.filter((sensor) => sensor.cell_id === cellId) : [];
  const unique = [...new Map(own.map((sensor) => [sensor.id, sensor])).values()];
  return [...columns, ...unique.flatMap((sensor) => sensorSeries(sensor) ?? [])];
}
