import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { countBuckets } from "./choose.ts";
import { listColumns, toChunk, writeInstant, type Chunk, type ChunkRow } from "./columns.ts";
import { isEmpty, type Measured } from "./measure.ts";
import { meanOf, planParts, selectPartials, selectReadings } from "./partials.ts";
import { readTable } from "./read.ts";
import type { Resolved } from "./resolve.ts";

/** Points that are read by one statement, and held: some milliseconds' work, a megabyte's text. */
const mostAtOnce = 20_000;

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
 * Reads sensors one after the other, in their order, each over a time axis of its own: short ones many at once, a
 * long one in chunks.
 */
export async function* readSeries(
  db: Db,
  measured: readonly Measured[],
  resolved: Resolved,
): AsyncGenerator<Series> {
  for (const batch of toBatches(measured, resolved)) {
    const [first] = batch;
    if (batch.length === 1 && boundOf(first!, resolved) > mostAtOnce)
      yield { sensorId: first!.sensorId, chunks: readTable(db, [first!], resolved) };
    else yield* await readBatch(db, batch, resolved);
  }
}

/** Neighbours that together have few points; whoever has many is alone. */
function toBatches(measured: readonly Measured[], resolved: Resolved): Measured[][] {
  const batches: Measured[][] = [];
  let points = Infinity;
  for (const one of measured) {
    const more = boundOf(one, resolved);
    if (points + more > mostAtOnce) {
      batches.push([]);
      points = 0;
    }
    batches.at(-1)!.push(one);
    points += more;
  }
  return batches;
}

async function readBatch(
  db: Db,
  batch: readonly Measured[],
  resolved: Resolved,
): Promise<Series[]> {
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
