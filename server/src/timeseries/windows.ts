import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { hour_s } from "../lib/duration.ts";
import { isEmpty } from "./measure.ts";
import { bucketOf } from "./partials.ts";
import { isOfHours, type Buckets } from "./resample.ts";
import type { Resolved } from "./resolve.ts";
import { selectDeltas } from "./rollup-deltas.ts";
import type { Span } from "./spans.ts";

/** A part of a query that is read at once, and about how many rows it has. */
export interface Window extends Span {
  readonly rows: number;
}

/**
 * Cuts a query into parts of about `most` rows, all sensors together, oldest first; a bucket is never in two parts. How
 * much there is, is found in rollups; only what lies within one hour and is too much is gone through.
 */
export async function planWindows(
  db: Db,
  ids: readonly number[],
  resolved: Resolved,
  most: number,
): Promise<Window[]> {
  if (ids.length === 0 || isEmpty(resolved.range)) return [];
  const windows = toWindows(await findEdges(db, ids, resolved, most), resolved);
  if (isOfHours(resolved.buckets)) return windows;
  const parts: Window[] = [];
  for (const window of windows)
    if (window.rows < 2 * most) parts.push(window);
    else parts.push(...cut(window, await findCuts(db, ids, resolved, window, most)));
  return parts;
}

interface Edge {
  readonly from: number;
  readonly rows: number;
}

/** The starts of buckets from which on there are about `most` rows until the next one. */
async function findEdges(
  db: Db,
  ids: readonly number[],
  { range, ...parts }: Resolved,
  most: number,
): Promise<Edge[]> {
  const firstHour = Math.floor(range.start / hour_s) * hour_s;
  const { rows } = await sql<Edge>`
    select extract(epoch from min(bucket))::float8 as "from", sum(rows)::float8 as rows
    from (
      select bucket, rows, floor((sum(rows) over (order by bucket) - rows) / ${most}::float8) as nth
      from (
        select ${bucketOf(sql`bucket`, parts)} as bucket, ${countRows(parts.buckets)}::float8 as rows
        from (
          select sensor_id, bucket, readings from rollup_hour where sensor_id = any(${ids}::int[])
          union all select sensor_id, hour, readings from (${selectDeltas(ids)}) as delta
        ) as hour
        where bucket >= to_timestamp(${firstHour}) and bucket <= to_timestamp(${range.end})
        group by 1
      ) as bucket
    ) as numbered
    group by nth order by nth`.execute(db);
  return rows;
}

/** Readings that may be gone through for a row. */
const readingsPerRow = 50;

/** How many rows the hours of some sensors come to, at most; more, where it takes many readings to make them. */
function countRows(buckets: Buckets): RawBuilder<unknown> {
  if (buckets.kind === "none") return sql`sum(readings)`;
  if (buckets.kind === "calendar" || isOfHours(buckets)) return sql`count(distinct sensor_id)`;
  const most = hour_s / buckets.width_s;
  return sql`sum(least(readings, ${most}::int) + readings / ${readingsPerRow}::int)`;
}

/** The range as a whole, even where edges say nothing of its ends, or lie before it in its first hour. */
function toWindows(edges: readonly Edge[], { range }: Resolved): Window[] {
  const inside = edges.filter(({ from }, at) => at === 0 || from > range.start);
  return inside.map(({ from, rows }, at) => {
    const next = inside[at + 1]?.from;
    return {
      from: at === 0 ? range.start : from,
      to: next ?? range.end,
      closed: next === undefined,
      rows,
    };
  });
}

/** The starts of buckets within a part, `most` readings apart. */
async function findCuts(
  db: Db,
  ids: readonly number[],
  parts: Resolved,
  { from, to, closed }: Span,
  most: number,
): Promise<number[]> {
  const { rows } = await sql<{ at: number }>`
    select distinct extract(epoch from ${bucketOf(sql`ts`, parts)})::float8 as at
    from (
      select ts, row_number() over (order by ts) as nth from reading
      where sensor_id = any(${ids}::int[]) and ts >= to_timestamp(${from}) and ts <= to_timestamp(${to})
        and (${closed} or ts < to_timestamp(${to}))
    ) as numbered
    where nth % ${most}::int = 0
    order by at`.execute(db);
  return rows.map(({ at }) => at).filter((at) => at > from);
}

function cut(window: Window, cuts: readonly number[]): Window[] {
  const rows = window.rows / (cuts.length + 1);
  const starts = [window.from, ...cuts];
  return starts.map((from, at) => {
    const next = starts[at + 1];
    return {
      from,
      to: next ?? window.to,
      closed: next === undefined && window.closed,
      rows,
    };
  });
}
