import { sql, type RawBuilder } from "kysely";
import { formatIso } from "../lib/time.ts";
import { isOfHours } from "./resample.ts";
import type { Resolved } from "./resolve.ts";
import { selectDeltasIn } from "./rollup-deltas.ts";
import { planSpans, type Span, type SpanPlan } from "./spans.ts";

/** What is put together: readings and rollups, each with the bucket that it is part of. */
export type Parts = Pick<Resolved, "buckets" | "starts">;

/** The spans that a query is answered from. Buckets under an hour know nothing of rollups. */
export function planParts({ range, buckets, starts }: Resolved): SpanPlan {
  if (isOfHours(buckets))
    return planSpans(range, { cuts: starts ?? [], days: buckets.kind === "calendar" });
  const all = { from: range.start, to: range.end, closed: true };
  return { reading: range.start > range.end ? [] : [all], hour: [], day: [] };
}

/**
 * Rows of (sensor_id, bucket, count, sum, min, max), several for one bucket, that add up to what its readings come
 * to. A value of 1e150 or more, which only a corrupted message has, doesn't count: squares and sums of values must
 * stay in the range of PostgreSQL's numbers.
 */
export function selectPartials(
  ids: readonly number[],
  plan: SpanPlan,
  parts: Parts,
): RawBuilder<unknown> {
  const bucket = (at: RawBuilder<unknown>) => sql`${bucketOf(at, parts)} as bucket`;
  const readings = sql`
    select sensor_id, ${bucket(sql`ts`)}, (abs(value) < 1e150)::int as count,
      case when abs(value) < 1e150 then value end as sum,
      case when abs(value) < 1e150 then value end as min,
      case when abs(value) < 1e150 then value end as max
    from ${rowsIn("reading", "ts", "sensor_id, ts, value", ids, plan.reading)}`;
  const rollup = (name: "rollup_hour" | "rollup_day", spans: readonly Span[]) => sql`
    select sensor_id, ${bucket(sql`bucket`)}, count, sum, min, max
    from ${rowsIn(name, "bucket", "sensor_id, bucket, count, sum, min, max", ids, spans)}`;
  const rolledUp = [...plan.hour, ...plan.day];
  const deltas = sql`
    select sensor_id, ${bucket(sql`hour`)}, count, sum, min, max
    from (${selectDeltasIn(ids, rolledUp)}) as part`;
  const sources = [
    readings,
    ...(plan.hour.length > 0 ? [rollup("rollup_hour", plan.hour)] : []),
    ...(plan.day.length > 0 ? [rollup("rollup_day", plan.day)] : []),
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
  return sql`select sensor_id, ts as bucket, value
    from ${rowsIn("reading", "ts", "sensor_id, ts, value", ids, spans)}`;
}

/** The rows of a table in some spans. "offset 0" has each span looked up in the key, however many there are. */
function rowsIn(
  table: "reading" | "rollup_hour" | "rollup_day",
  instant: "ts" | "bucket",
  columns: string,
  ids: readonly number[],
  spans: readonly Span[],
): RawBuilder<unknown> {
  const at = sql.ref(instant);
  return sql`unnest(
      ${spans.map(({ from }) => from)}::float8[], ${spans.map(({ to }) => to)}::float8[],
      ${spans.map(({ closed }) => closed)}::bool[]) as span ("from", "to", closed)
    cross join lateral (
      select ${sql.raw(columns)} from ${sql.table(table)}
      where sensor_id = any(${ids}::int[]) and ${at} >= to_timestamp(span.from) and ${at} <= to_timestamp(span.to)
        and (closed or ${at} < to_timestamp(span.to))
      offset 0
    ) as part`;
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
