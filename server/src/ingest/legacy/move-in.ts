import type { Db } from "../../db/connect.ts";
import type { KeepRoom } from "../../lib/disk.ts";
import { defineError } from "../../lib/errors.ts";
import { keyOf, readHere, runAlone, type Here } from "../../store/legacy/here.ts";
import type { OldDatabase } from "../../store/legacy/old-database.ts";
import { readOldDirectory, type OldDirectory } from "../../store/legacy/old-directory.ts";
import { sumUpOld } from "../../store/legacy/old-readings.ts";
import { listProgress } from "../../store/legacy/progress.ts";
import type { Ids } from "../../store/legacy/series.ts";
import { findLastIds, listLeavings, type Leaving } from "../../store/legacy/survey.ts";
import type { Written } from "../../timeseries/write.ts";
import { SteadyWriter } from "../files/steady-writer.ts";
import { bringOver, type BringDeps, type Brought } from "./bring-over.ts";
import { checkCell, groupByStream, wholeRange, type Check } from "./check-cell.ts";
import { findCollisions } from "./collisions.ts";
import { findDirectoryLeavings } from "./directory-leavings.ts";
import { add, moveCell, newProgress } from "./move-cell.ts";
import { planCells, type Plan, type PlanOrder } from "./plan.ts";
import type { VwcDecision } from "./vwc-rule.ts";

interface MoveInDeps extends BringDeps {
  readonly old: OldDatabase;
  readonly keepRoom: KeepRoom;
}

export interface MoveInOrder extends PlanOrder {
  /** Whether the accounts here are believed to be whose address they have. */
  readonly trusted: boolean;
  /** Aborting it ends the work after the batch in flight; a query of the old database goes on until it is closed. */
  readonly signal: AbortSignal;
}

/** What became of a cell. */
export interface MovedCell {
  readonly id: number;
  readonly name: string;
  readonly vwc: VwcDecision | undefined;
  /** In this run. */
  readonly written: Written;
  readonly checks: readonly Check[];
}

export interface MoveInReport {
  /** Whether it went through to the end. */
  readonly finished: boolean;
  readonly brought: Brought;
  readonly leavings: readonly Leaving[];
  readonly cells: readonly MovedCell[];
}

/** What would come over. */
export interface Forecast {
  readonly collisions: readonly string[];
  readonly directory: OldDirectory;
  readonly leavings: readonly Leaving[];
  readonly cells: readonly (Omit<MovedCell, "written" | "checks"> & {
    /** Readings that haven't come yet. */
    readonly pending: number;
    readonly streams: readonly Pick<Check, "stream" | "old">[];
  })[];
}

const alreadyRunning = defineError(
  "conflict",
  "already_moving_in",
  "another `ents-backend import legacy` is under way into this database",
);
const otherRule = defineError(
  "conflict",
  "other_vwc_rule",
  "cell {cell}: its VWC came over as {before} before, and can't come as {told} now; delete the cell here, and its number will not be taken again",
);

const otherZone = defineError(
  "conflict",
  "other_zone",
  "cell {cell}: its times came over as {before} before, and can't come as {told} now: say --timezone {before}; where that was wrong, begin with an empty database",
);

/**
 * Brings over all that the old backend has: first users, cells, loggers and tags, all or nothing; then the readings of
 * one cell after the other, each compared with the old ones when they are here. Run again, it brings what came since.
 *
 * @throws KnownError when something is in the way; then nothing has come over
 */
export async function moveIn(deps: MoveInDeps, order: MoveInOrder): Promise<MoveInReport> {
  const report = await runAlone(deps.db, async () => await run(deps, order));
  if (!report) throw alreadyRunning();
  return report;
}

/** Says what `moveIn` would do, and changes nothing. */
export async function forecast(
  { db, old }: Pick<MoveInDeps, "db" | "old">,
  { trusted, ...order }: MoveInOrder,
): Promise<Forecast> {
  await requireSameRules(db, old, order.vwcRules);
  const directory = await readOldDirectory(old);
  const here = await readHere(db);
  const to = await findLastIds(old);
  const gone = findGone(directory, here);
  const ids = directory.cells.map(({ id }) => id).filter((id) => !gone.has(id));
  const plans = await planCells({ db, old }, order, { directory, to, ids });
  const cells = [];
  for (const { series, id, name, vwc, pending } of plans) {
    order.signal.throwIfAborted();
    const groups = groupByStream(series);
    const sums = await sumUpOld(old, groups, wholeRange(to));
    const streams = [...sums].map(([nth, sum]) => ({ stream: groups[nth]![0]!.stream, old: sum }));
    cells.push({ id, name, vwc, pending, streams });
  }
  const leavings = [...findDirectoryLeavings(directory, gone), ...(await listLeavings(old))];
  return { collisions: findCollisions(directory, here, { trusted }), directory, leavings, cells };
}

async function run(deps: MoveInDeps, order: MoveInOrder): Promise<MoveInReport> {
  const { old, db } = deps;
  const directory = await readOldDirectory(old);
  const to = await findLastIds(old);
  await requireSameRules(db, old, order.vwcRules);
  const brought = await bringOver(deps, directory, order.trusted);
  const gone = findGone(directory, await readHere(db));
  const cells: MovedCell[] = [];
  const report = { brought, leavings: findDirectoryLeavings(directory, gone), cells };
  try {
    report.leavings.push(...(await listLeavings(old)));
    const plans = await planCells(deps, order, { directory, to, ids: brought.cellIds });
    await moveCells(deps, order, plans, to, cells);
    return { ...report, finished: true };
  } catch (error) {
    // Who stops it also ends what the old database is still busy with, so that it fails in whatever way.
    if (!order.signal.aborted) throw error;
    return { ...report, finished: false };
  }
}

/** @param moved gets every cell when it has come over and is compared */
async function moveCells(
  { db, old, clock, keepRoom }: MoveInDeps,
  { signal, onProgress }: MoveInOrder,
  plans: readonly Plan[],
  to: Ids,
  moved: MovedCell[],
): Promise<void> {
  const total = plans.reduce((sum, { pending }) => sum + pending, 0);
  let done = 0;
  const deps = {
    db,
    old,
    signal,
    writer: new SteadyWriter({ db, clock }),
    keepRoom,
    onProgress: (readings: number) => {
      done += readings;
      onProgress({ phase: "moving", done, total });
    },
  };
  for (const { id, name, series, vwc, progress } of plans) {
    signal.throwIfAborted();
    let written = await moveCell(deps, id, series, to, progress);
    let checks = await checkCell(deps, id, series, to);
    // A row can be committed after one with a greater id: what was read past then is found out by that.
    if (checks.some(({ compared }) => compared && compared.missing > 0)) {
      written = add(written, await moveCell(deps, id, series, to, newProgress(progress.vwcRule)));
      checks = await checkCell(deps, id, series, to);
    }
    moved.push({ id, name, vwc, written, checks });
  }
}

/** Numbers of cells that came over before, and are gone since. */
function findGone({ cells }: OldDirectory, here: Here): Set<number> {
  const present = new Set(here.cells.map(({ id }) => id));
  const gone = cells.filter(({ id }) => here.brought.has(keyOf("cell", id)) && !present.has(id));
  return new Set(gone.map(({ id }) => id));
}

/** @throws KnownError where a cell has come over by another rule, or in another zone */
async function requireSameRules(
  db: Db,
  old: OldDatabase,
  vwcRules: MoveInOrder["vwcRules"],
): Promise<void> {
  for (const [cell, { vwcRule, zone }] of await listProgress(db)) {
    if (zone !== null && zone !== old.zone) throw otherZone({ cell, before: zone, told: old.zone });
    const wish = vwcRules.get(cell);
    if (wish && vwcRule && wish !== vwcRule) throw otherRule({ cell, before: vwcRule, told: wish });
  }
}
