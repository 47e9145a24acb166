import { sql, type RawBuilder } from "kysely";
import { hour_s } from "../lib/duration.ts";
import { formatIso } from "../lib/time.ts";
import { isOfHours } from "./resample.ts";
import type { Resolved } from "./resolve.ts";
import type { RollupUnit } from "./rollup.ts";
import { selectDeltasIn } from "./rollup-deltas.ts";
import { thoseThatCount } from "./sums.ts";
import { planSpans, type Span, type SpanPlan } from "./spans.ts";

/** What is put together: readings and rollups, each with the bucket that it is part of. */
type Parts = Pick<Resolved, "buckets" | "starts">;

/** The spans that a query is answered from. Buckets under an hour know nothing of rollups. */
export function planParts({ range, buckets, starts = [], days }: Resolved): SpanPlan {
  if (isOfHours(buckets))
    return planSpans(range, { cuts: starts, days: buckets.kind === "calendar", only: days });
  const all = { from: range.start, to: range.end, closed: true };
  return { reading: range.start > range.end ? [] : [all], hour: [], day: [] };
}

/**
 * Rows of (sensor_id, bucket, count, sum, min, max), several for one bucket, that add up to what its readings come
 * to. Values that sums can't hold don't count.
 */
export function selectPartials(
  ids: readonly number[],
  plan: SpanPlan,
  parts: Parts,
): RawBuilder<unknown> {
  const bucket = (at: RawBuilder<unknown>) => sql`${bucketOf(at, parts)} as bucket`;
  const readings = sql`
    select ${bucket(sql`ts`)}, (count(*) ${thoseThatCount})::float8 as count,
      sum(value) ${thoseThatCount} as sum, min(value) ${thoseThatCount} as min, max(value) ${thoseThatCount} as max
    from reading where ${isWithin("ts")} group by 1`;
  const rollup = (unit: RollupUnit) => {
    const kept = sql`from ${sql.table(`rollup_${unit}`)} where ${isWithin("bucket")}`;
    // Bringing together what is one row each would cost as much as reading it.
    if (isMadeOf(parts, unit))
      return sql`select bucket, count::float8 as count, sum, min, max ${kept}`;
    return sql`
      select ${bucket(sql`bucket`)}, sum(count)::float8 as count, sum(sum) as sum, min(min) as min, max(max) as max
      ${kept} group by 1`;
  };
  const rolledUp = [...plan.hour, ...plan.day];
  const deltas = sql`
    select sensor_id, ${bucket(sql`hour`)}, count, sum, min, max
    from (${selectDeltasIn(ids, rolledUp)}) as part`;
  const sources = [
    selectInEach(ids, plan.reading, readings),
    ...(plan.hour.length > 0 ? [selectInEach(ids, plan.hour, rollup("hour"))] : []),
    ...(plan.day.length > 0 ? [selectInEach(ids, plan.day, rollup("day"))] : []),
    ...(rolledUp.length > 0 ? [deltas] : []),
  ];
  return sql.join(sources, sql` union all `);
}

/** What partials come to. PostgreSQL fails where a quotient leaves the range of its numbers, so next to nothing is 0. */
export function meanOf(sum: RawBuilder<unknown>, count: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(case when ${sum} <> 0 and abs(${sum}) < 1e-300 then 0 else ${sum} / nullif(${count}, 0) end)`;
}

/** Rows of (sensor_id, bucket, value): readings as they are, each an instant of its own. */
export function selectReadings(
  ids: readonly number[],
  spans: readonly Span[],
): RawBuilder<unknown> {
  const readings = sql`select ts as bucket, value from reading where ${isWithin("ts")}`;
  return selectInEach(ids, spans, readings);
}

/** Whether each bucket is one row of a rollup. */
function isMadeOf({ buckets, starts }: Parts, unit: RollupUnit): boolean {
  if (unit === "hour") return buckets.kind === "width" && buckets.width_s === hour_s;
  return buckets.kind === "calendar" && buckets.unit === "day" && !starts;
}

/** Whether a row is of the sensor and in the span that `selectInEach` is at. */
function isWithin(instant: "ts" | "bucket"): RawBuilder<boolean> {
  const at = sql.ref(instant);
  return sql`sensor_id = sensor.id and ${at} >= span."from" and ${at} < span."to"`;
}

/**
 * The rows that a statement selects for each sensor and span by itself, beside the sensor's number. "offset 0" has each
 * looked up in the key, however many there are, and the ends of a span made once: the end that a closed one includes is
 * the last instant before another one, since PostgreSQL counts microseconds.
 */
function selectInEach(
  ids: readonly number[],
  spans: readonly Span[],
  rows: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`
    select sensor.id as sensor_id, part.*
    from (
      select to_timestamp("from") as "from",
        to_timestamp("to") + case when closed then interval '1 microsecond' else interval '0' end as "to"
      from unnest(
        ${spans.map(({ from }) => from)}::float8[], ${spans.map(({ to }) => to)}::float8[],
        ${spans.map(({ closed }) => closed)}::bool[]
      ) as span ("from", "to", closed)
      offset 0
    ) as span
    cross join unnest(${ids}::int[]) as sensor (id)
    cross join lateral (${rows} offset 0) as part`;
}

/** The start of the bucket that an instant, or an hour or day without a bucket's start inside, is part of. */
export function bucketOf(at: RawBuilder<unknown>, { buckets, starts }: Parts): RawBuilder<unknown> {
  if (buckets.kind === "none") return at;
  if (buckets.kind === "width")
    return sql`date_bin(make_interval(secs => ${buckets.width_s}), ${at}, 'epoch'::timestamptz)`;
  if (!starts) return sql`date_trunc(${buckets.unit}, ${at}, 'UTC')`;
  const list = sql`(select ${starts.map(formatIso)}::timestamptz[])`;
  return sql`(${list})[width_bucket(${at}, ${list})]`;
}
