import type { FilledGap, ImportReport } from "@ents-backend/schemas/import";
import type { Db } from "../../db/connect.ts";
import { makeAhead } from "../../lib/read-ahead.ts";
import { formatIso } from "../../lib/time.ts";
import {
  countReadings,
  findHoles,
  readRuns,
  type Hole,
  type HoleLimits,
  type Run,
  type Runs,
} from "../../timeseries/holes.ts";
import { listStreams, streamKey } from "../../timeseries/sensors.ts";
import type { NewReading } from "../../timeseries/write.ts";
import type { SurveyedSensor } from "./survey.ts";

/** Where a sensor had nothing for longer than is usual, before an import. */
export interface SensorGaps extends HoleLimits {
  readonly sensor: SensorName;
  readonly holes: readonly Hole[];
}

type SensorName = Pick<NewReading, "cellId" | "stream">;

/** Two readings that are further apart than this many of the file's usual steps have a gap between them. */
const stepsOfGap = 1.5;
const mostHoles = 1000;
const mostReported = 100;

/** The gaps that there are before an import, where it has readings. */
export async function findGaps(db: Db, sensors: readonly SurveyedSensor[]): Promise<SensorGaps[]> {
  const ids = await findIds(db, sensors);
  const gaps: SensorGaps[] = [];
  for (const [at, sensor] of sensors.entries()) {
    const { earliest, latest, step_s } = sensor;
    if (step_s === undefined) continue;
    const id = ids[at];
    const limits = { longerThan_s: stepsOfGap * step_s, most: mostHoles };
    const range = { start: earliest, end: latest };
    const empty: Hole[] = [{ after: null, before: null }];
    const holes = id === undefined ? empty : await findHoles(db, id, range, limits);
    gaps.push({ sensor, holes, ...limits });
  }
  return gaps;
}

/** What an import has filled of the gaps that were found before it. */
export async function readFilled(
  db: Db,
  gaps: readonly SensorGaps[],
): Promise<ImportReport["gaps"]> {
  const sensors = gaps.map(({ sensor }) => sensor);
  const ids = await findIds(db, sensors);
  const idOf = new Map(sensors.map((sensor, at) => [sensor, ids[at]]));
  const find = async ({ sensor, holes, ...limits }: SensorGaps): Promise<Runs> => {
    const id = idOf.get(sensor);
    return id === undefined ? { count: 0, longest: [] } : await readRuns(db, id, holes, limits);
  };
  return await reportFilled(gaps, find, { atOnce: 2 });
}

/** What is told of gaps that are filled, the longest first. */
export async function reportFilled(
  gaps: readonly SensorGaps[],
  findRuns: (gaps: SensorGaps) => Promise<Runs>,
  { atOnce }: { readonly atOnce: number },
): Promise<ImportReport["gaps"]> {
  let filled = 0;
  let longest: { readonly length_s: number; readonly gap: FilledGap }[] = [];
  const find = async (of: SensorGaps) => ({ sensor: of.sensor, runs: await findRuns(of) });
  for await (const { sensor, runs } of makeAhead(gaps, atOnce, find)) {
    filled += runs.count;
    longest = [...longest, ...runs.longest.map((run) => toFilled(sensor, run))]
      .sort((a, b) => b.length_s - a.length_s)
      .slice(0, mostReported);
  }
  return { filled, longest: longest.map(({ gap }) => gap) };
}

/**
 * Gaps that a preview has found, as they are filled by now: an import that was stopped and goes on can't see any more
 * what was missing before it.
 */
export async function recountFilled(
  db: Db,
  { filled, longest }: ImportReport["gaps"],
): Promise<ImportReport["gaps"]> {
  const sensors = longest.map(({ cell_id: cellId, ...stream }) => ({ cellId, stream }));
  const ids = await findIds(db, sensors);
  const recounted: FilledGap[] = [];
  for (const [at, gap] of longest.entries()) {
    const id = ids[at];
    const [start, end] = [Date.parse(gap.from) / 1000, (Date.parse(gap.to) + 1) / 1000];
    const readings = id === undefined ? 0 : await countReadings(db, id, { start, end });
    if (readings > 0) recounted.push({ ...gap, readings });
  }
  return { filled: filled - (longest.length - recounted.length), longest: recounted };
}

function toFilled({ cellId, stream }: SensorName, { first, last, readings }: Run) {
  const { name, measurement, unit } = stream;
  const span = { from: formatIso(first), to: formatIso(last), readings };
  return { length_s: last - first, gap: { cell_id: cellId, name, measurement, unit, ...span } };
}

/** The sensors' numbers, in their order; undefined where there is none yet. */
async function findIds(db: Db, sensors: readonly SensorName[]): Promise<(number | undefined)[]> {
  const cellIds = [...new Set(sensors.map(({ cellId }) => cellId))].filter((id) => id < 2 ** 31);
  const known = await listStreams(db, cellIds);
  const ids = new Map(
    known.map(({ id, cell_id, ...stream }) => [`${cell_id} ${streamKey(stream)}`, id]),
  );
  return sensors.map(({ cellId, stream }) => ids.get(`${cellId} ${streamKey(stream)}`));
}
