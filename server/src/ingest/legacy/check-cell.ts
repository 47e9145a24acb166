import type { Stream } from "@ents-backend/schemas/sensor";
import type { Db } from "../../db/connect.ts";
import type { OldDatabase } from "../../store/legacy/old-database.ts";
import { readOldReadings, sumUpOld, type OldChecksum } from "../../store/legacy/old-readings.ts";
import { noIds, type Ids, type Series } from "../../store/legacy/series.ts";
import { compareWithStream, sumUpStream, type Compared } from "../../timeseries/checksum.ts";
import { fromTheBeginning } from "./move-cell.ts";

/** What a stream of a cell comes to in the old database and here. */
export interface Check {
  readonly cellId: number;
  readonly stream: Stream;
  readonly old: OldChecksum;
  /** Between the first and the last instant that the old database has. */
  readonly here: { readonly readings: number; readonly checksum: string | null };
  /** Of the old instants: not here, or with another value, which was here first. Undefined where all are the same. */
  readonly compared: Compared | undefined;
}

interface CheckDeps {
  readonly db: Db;
  readonly old: OldDatabase;
  readonly signal: AbortSignal;
}

/**
 * Compares what a cell's streams come to on both sides, each database by itself; where that differs, reading by
 * reading: here there may be more, and other values that came first.
 */
export async function checkCell(
  deps: CheckDeps,
  cellId: number,
  series: readonly Series[],
  to: Ids,
): Promise<Check[]> {
  const groups = groupByStream(series);
  const sums = await sumUpOld(deps.old, groups, wholeRange(to));
  const checks: Check[] = [];
  for (const [nth, old] of sums) {
    deps.signal.throwIfAborted();
    const { stream } = groups[nth]![0]!;
    const range = { start: old.first, end: old.last };
    const here = await sumUpStream(deps.db, cellId, stream, range);
    const isSame = here.readings === old.instants && here.checksum === old.checksum;
    const compared = isSame ? undefined : await compare(deps, cellId, groups[nth]!, to);
    checks.push({ cellId, stream, old, here, compared });
  }
  return checks;
}

/** Everything up to some ids. */
export function wholeRange(to: Ids) {
  return { after: noIds, to, from: fromTheBeginning };
}

/** Series that are of one stream, together. */
export function groupByStream(series: readonly Series[]): Series[][] {
  const groups = Map.groupBy(series, ({ stream }) =>
    JSON.stringify([stream.name, stream.measurement]),
  );
  return [...groups.values()];
}

async function compare(
  { db, old, signal }: CheckDeps,
  cellId: number,
  series: readonly Series[],
  to: Ids,
): Promise<Compared> {
  const { stream } = series[0]!;
  let [missing, differing, last] = [0, 0, -Infinity];
  for await (const part of readOldReadings(old, series, wholeRange(to))) {
    signal.throwIfAborted();
    const firsts = part.filter(({ ts }) => {
      const isFirst = ts !== last;
      last = ts;
      return isFirst;
    });
    const compared = await compareWithStream(db, cellId, stream, firsts);
    missing += compared.missing;
    differing += compared.differing;
  }
  return { missing, differing };
}
