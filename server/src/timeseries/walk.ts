import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { planParts } from "./partials.ts";
import { isOfHours } from "./resample.ts";
import type { Resolved } from "./resolve.ts";
import type { Span, SpanPlan } from "./spans.ts";

/**
 * Readings of each sensor that are read at once: few, and the first time fewer, so that an answer begins at once. Their
 * text comes from the database in one piece, which is held in little memory while it is under 64 KiB.
 */
const firstStep = 500;
const step = 600;

/** A part of a query that is read at once. */
interface Step {
  readonly plan: SpanPlan;
  /** Whether it is the last one. */
  readonly last: boolean;
}

/**
 * Walks through a query in parts that are small, oldest first, however long its range is. What rollups answer is one
 * part. A bucket is never in two parts.
 */
export async function* walk(
  db: Db,
  ids: readonly number[],
  resolved: Resolved,
): AsyncGenerator<Step> {
  if (isOfHours(resolved.buckets)) yield { plan: planParts(resolved), last: true };
  else
    for await (const span of walkReadings(db, ids, resolved))
      yield { plan: { reading: [span], hour: [], day: [] }, last: span.closed };
}

/** Spans of few readings that are the range together; the last one is closed. */
async function* walkReadings(
  db: Db,
  ids: readonly number[],
  { range, buckets }: Resolved,
): AsyncGenerator<Span> {
  const width_s = buckets.kind === "width" ? buckets.width_s : undefined;
  let from: number | undefined = range.start;
  for (let size = firstStep; from !== undefined; size = step) {
    const rest: Span = { from, to: range.end, closed: true };
    const end = await findEnd(db, ids, rest, size, width_s);
    yield end === undefined ? rest : { from, to: end, closed: false };
    from = end;
  }
}

/** Where a part of at most `size` readings a sensor ends, and those of its last bucket; undefined: with the span. */
async function findEnd(
  db: Db,
  ids: readonly number[],
  span: Span,
  size: number,
  width_s: number | undefined,
): Promise<number | undefined> {
  const { rows } = await sql<{ end: number | null }>`
    select extract(epoch from min(stop.ts))::float8 as end
    from unnest(${ids}::int[]) as sensor (id)
    cross join lateral (
      select ts from reading
      where sensor_id = sensor.id and ts between to_timestamp(${span.from}) and to_timestamp(${span.to})
      order by ts offset ${size} limit 1
    ) as stop`.execute(db);
  const end = rows[0]?.end ?? undefined;
  if (end === undefined || width_s === undefined) return end;
  const edge = (Math.floor(end / width_s) + 1) * width_s;
  return edge > span.to ? undefined : edge;
}
