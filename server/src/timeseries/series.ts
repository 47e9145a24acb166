import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { makeAhead } from "../lib/read-ahead.ts";
import { countBuckets } from "./choose.ts";
import { listColumns, toChunk, writeInstant, type Chunk, type ChunkRow } from "./columns.ts";
import { isEmpty, type Measured } from "./measure.ts";
import { meanOf, planParts, selectPartials, selectReadings } from "./partials.ts";
import { readTable } from "./read.ts";
import type { Resolved } from "./resolve.ts";

/** Points that are read by one statement, and held: some milliseconds' work, a megabyte's text. */
const mostAtOnce = 20_000;
/** Statements that an answer has under way at the same time. */
const sideBySide = 2;

/** The readings of one sensor, at once or in chunks: values, or with an envelope means, least and greatest values. */
export type Series =
  | { readonly sensorId: number; readonly whole: Chunk }
  | { readonly sensorId: number; readonly chunks: AsyncIterable<Chunk> };

/** How many points a sensor's answer has at most. */
export function boundOf({ readings }: Measured, { resample, range }: Resolved): number {
  return Math.min(readings, countBuckets(resample, range, "UTC") + 1);
}

/** Whether all series are so short together that one statement reads them, and an answer may hold them. */
export function fitAtOnce(measured: readonly Measured[], resolved: Resolved): boolean {
  return measured.reduce((sum, one) => sum + boundOf(one, resolved), 0) <= mostAtOnce;
}

/**
 * Reads sensors in their order, each over a time axis of its own: short ones many at once and two lots of them side by
 * side, a long one in chunks.
 */
export async function* readSeries(
  db: Db,
  measured: readonly Measured[],
  resolved: Resolved,
): AsyncGenerator<Series> {
  const batches = toBatches(measured, resolved);
  const read = async (batch: readonly Measured[]) => await readBatch(db, batch, resolved);
  for await (const series of makeAhead(batches, sideBySide, read)) yield* series;
}

/** Neighbours that together have few points, in as many lots as are read side by side; whoever has many is alone. */
function toBatches(measured: readonly Measured[], resolved: Resolved): Measured[][] {
  const bounds = measured.map((one) => boundOf(one, resolved));
  const all = bounds.reduce((sum, bound) => sum + bound, 0);
  const most = Math.min(mostAtOnce, Math.ceil(all / sideBySide));
  const batches: Measured[][] = [];
  let points = Infinity;
  for (const [at, one] of measured.entries()) {
    if (points + bounds[at]! > most) {
      batches.push([]);
      points = 0;
    }
    batches.at(-1)!.push(one);
    points += bounds[at]!;
  }
  return batches;
}

async function readBatch(
  db: Db,
  batch: readonly Measured[],
  resolved: Resolved,
): Promise<Series[]> {
  const [first] = batch;
  if (batch.length === 1 && boundOf(first!, resolved) > mostAtOnce)
    return [{ sensorId: first!.sensorId, chunks: readTable(db, [first!], resolved) }];
  const chunks = isEmpty(resolved.range) ? new Map() : await selectSeries(db, batch, resolved);
  const empty = { timestamp: "", columns: resolved.envelope ? ["", "", ""] : [""] };
  return batch.map(({ sensorId }) => ({
    sensorId,
    whole: { ...empty, ...chunks.get(sensorId), last: true },
  }));
}

async function selectSeries(
  db: Db,
  batch: readonly Measured[],
  resolved: Resolved,
): Promise<Map<number, Omit<Chunk, "last">>> {
  const ids = batch.map(({ sensorId }) => sensorId);
  const { envelope, buckets } = resolved;
  const count = envelope ? 3 : 1;
  const plan = planParts(resolved);
  const mean = sql`${meanOf(sql`sum(sum)`, sql`sum(count)`)} as c0`;
  const cells = envelope ? sql`${mean}, min(min) as c1, max(max) as c2` : mean;
  const points =
    buckets.kind === "none"
      ? sql`select sensor_id, bucket, value as c0 from (${selectReadings(ids, plan.reading)}) as part`
      : sql`select sensor_id, bucket, ${cells} from (${selectPartials(ids, plan, resolved)}) as part
          group by sensor_id, bucket`;
  const { rows } = await sql<ChunkRow & { readonly sensorId: number }>`
    select sensor_id as "sensorId", ${listColumns(count)}
    from (
      select *, ${writeInstant(sql`bucket`, resolved.timestamps)} as t from (${points}) as point order by sensor_id, bucket
    ) as point
    group by sensor_id`.execute(db);
  return new Map(rows.map((row) => [row.sensorId, toChunk(row, count)]));
}
