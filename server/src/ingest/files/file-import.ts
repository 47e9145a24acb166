import type { ImportReport } from "@ents-backend/schemas/import";
import type { Db } from "../../db/connect.ts";
import type { Clock } from "../../lib/clock.ts";
import { Rehearsal } from "../../timeseries/rehearsal.ts";
import { checkCells, requireOpen, requireStillOpen } from "./cells.ts";
import { reportImport } from "./file-report.ts";
import { findGaps, readFilled, recountFilled, reportFilled, type SensorGaps } from "./gaps.ts";
import { passReadings, type Passed, type PassOrder } from "./pass.ts";
import type { Plan } from "./plan.ts";
import { SteadyWriter } from "./steady-writer.ts";
import { survey, type Survey } from "./survey.ts";

/** What is to be imported by whom, who must own or edit every cell, and who wants to hear of it. */
export interface FileImport extends PassOrder {
  readonly plan: Plan;
  readonly clock: Clock;
  onProgress(progress: FileProgress): void;
}

export interface FileProgress {
  readonly phase: "reading" | "comparing" | "importing";
  readonly rows: number;
  readonly bytes: number;
}

/** How many bytes there are in the files of a plan. */
export function sizeOf({ files }: Plan): number {
  return files.reduce((sum, { file }) => sum + file.size, 0);
}

/**
 * Finds out what files hold and what would become of it, and stores nothing.
 *
 * @throws KnownError when one of the files can't be read; the signal's reason
 */
export async function previewImport(db: Db, order: FileImport): Promise<ImportReport> {
  const found = await surveyFiles(db, order);
  const cells = await checkCells(db, order.importer, [...found.cells.keys()]);
  const open = new Set(cells.filter(({ problem }) => !problem).map(({ id }) => id));
  const sensors = found.sensors.filter(({ cellId }) => open.has(cellId));
  const gaps = await findGaps(db, sensors);
  return await Rehearsal.on(db, async (rehearsal) => {
    const passed = await pass(db, order, found, rehearsal, open);
    const find = ({ sensor, holes, ...limits }: SensorGaps) =>
      rehearsal.findRuns(sensor, holes, limits);
    const filled = await reportFilled(gaps, find, { atOnce: 1 });
    return await reportImport(db, order.plan, found, cells, passed, filled);
  });
}

/**
 * Imports files, some readings at a time: stopped at any point, it goes on when it is run again, because readings that
 * are there already change nothing.
 *
 * @param preview the gaps that its preview has found, where there was one
 * @throws KnownError, with nothing stored, when one of the files can't be read, or a cell doesn't take it; when a cell
 * takes no more
 */
export async function runFileImport(
  db: Db,
  order: FileImport,
  preview?: ImportReport["gaps"],
): Promise<ImportReport> {
  const found = await surveyFiles(db, order);
  const ids = [...found.cells.keys()];
  const cells = await checkCells(db, order.importer, ids);
  requireOpen(cells);
  const gaps = preview ? [] : await findGaps(db, found.sensors);
  const judge = async () => await requireStillOpen(db, order.importer, ids);
  const passed = await pass(
    db,
    order,
    found,
    new SteadyWriter({ db, clock: order.clock }, judge),
    new Set(ids),
  );
  const filled = preview ? await recountFilled(db, preview) : await readFilled(db, gaps);
  return await reportImport(db, order.plan, found, cells, passed, filled);
}

async function surveyFiles(db: Db, order: FileImport): Promise<Survey> {
  return await survey(db, order.plan, order, (reached) =>
    order.onProgress({ phase: "reading", ...reached }),
  );
}

async function pass(
  db: Db,
  order: FileImport,
  found: Survey,
  sink: Rehearsal | SteadyWriter,
  open: ReadonlySet<number>,
): Promise<Passed> {
  const phase = sink instanceof Rehearsal ? "comparing" : "importing";
  return await passReadings(
    db,
    found,
    order,
    sink,
    (cellId) => open.has(cellId),
    ({ rows, bytes }) => order.onProgress({ phase, rows, bytes }),
  );
}
