import { sql, type RawBuilder } from "kysely";
import { float8s } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";
import type { Range } from "./resample.ts";

/** A span of time without readings: between two of them, before the first one, or after the last one. Unix seconds. */
export interface Hole {
  /** The reading before it; null: there is none. */
  readonly after: number | null;
  /** The reading after it; null: there is none. */
  readonly before: number | null;
}

/** Readings one after the other, without a hole between them. */
export interface Run {
  readonly readings: number;
  /** The first and the last of them, Unix seconds. */
  readonly first: number;
  readonly last: number;
}

/** How long a hole is, at least, and how many are told of. */
export interface HoleLimits {
  readonly longerThan_s: number;
  readonly most: number;
}

/**
 * Where a sensor has no readings for longer than `longerThan_s`, in or at the ends of a range.
 *
 * @returns the longest ones, `most` of them, ordered by time
 */
export async function findHoles(
  db: Db,
  sensorId: number,
  range: Range,
  { longerThan_s, most }: HoleLimits,
): Promise<Hole[]> {
  const { rows } = await sql<{ after: number | null; before: number | null }>`
    with ends as (
      select
        (select ts from reading where sensor_id = ${sensorId} and ts < to_timestamp(${range.start})
          order by ts desc limit 1) as before,
        (select ts from reading where sensor_id = ${sensorId} and ts > to_timestamp(${range.end})
          order by ts limit 1) as after
    ), instants as (
      select ts from reading
      where sensor_id = ${sensorId} and ts between to_timestamp(${range.start}) and to_timestamp(${range.end})
      union all select before from ends
      union all select after from ends
    ), neighbours as (
      select ts as after, lead(ts) over (order by ts nulls last) as before from instants
    )
    select extract(epoch from after)::float8 as after, extract(epoch from before)::float8 as before
    from (
      select after, before from neighbours where after is not null
      union all select null, (select min(ts) from instants) where (select before from ends) is null
    ) as hole
    where (before is null and (select after from ends) is null) or after is null
      or before - after > make_interval(secs => ${longerThan_s})
    order by before - after desc nulls first limit ${most}`.execute(db);
  return rows.toSorted((a, b) => (a.after ?? -Infinity) - (b.after ?? -Infinity));
}

/** The runs of readings that are in some holes of a sensor by now, and how many: the longest ones, in their order. */
export async function readRuns(
  db: Db,
  sensorId: number,
  holes: readonly Hole[],
  limits: HoleLimits,
): Promise<Runs> {
  return await findRuns(db, sql`reading where sensor_id = ${sensorId}`, holes, limits);
}

export interface Runs {
  readonly count: number;
  readonly longest: readonly Run[];
}

/**
 * The runs of rows that are in some holes, and how many: the longest ones, which come first.
 *
 * @param rows a table with a column `ts`, and a condition
 */
export async function findRuns(
  db: Db,
  rows: RawBuilder<unknown>,
  holes: readonly Hole[],
  { longerThan_s, most }: HoleLimits,
): Promise<Runs> {
  const gap = sql`make_interval(secs => ${longerThan_s})`;
  const { rows: runs } = await sql<Run & { count: number }>`
    with edge as (
      select at, ts, nth, coalesce(ts - before > ${gap}, true) as begins, coalesce(next - ts > ${gap}, true) as ends
      from unnest(${float8s(holes, ({ after }) => after)}::float8[], ${float8s(holes, ({ before }) => before)}::float8[])
        with ordinality as hole (hole_after, hole_before, at)
      cross join lateral (
        select ts, lag(ts) over neighbours as before, lead(ts) over neighbours as next, row_number() over neighbours as nth
        from ${rows}
          and ts > coalesce(to_timestamp(hole_after), '-infinity')
          and ts < coalesce(to_timestamp(hole_before), 'infinity')
        window neighbours as (order by ts)
      ) as instant
      where coalesce(ts - before > ${gap} or next - ts > ${gap}, true)
    ), run as (
      select begins, ts as first, case when ends then ts else lead(ts) over places end as last,
        case when ends then 1 else lead(nth) over places - nth + 1 end as readings
      from edge window places as (partition by at order by nth)
    )
    select readings::int as readings, extract(epoch from first)::float8 as first,
      extract(epoch from last)::float8 as last, (count(*) over ())::int as count
    from run where begins
    order by run.last - run.first desc, run.first limit ${most}`.execute(db);
  return { count: runs[0]?.count ?? 0, longest: runs };
}

/** How many readings a sensor has from one instant to another, both included. */
export async function countReadings(
  db: Db,
  sensorId: number,
  { start, end }: Range,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from reading
    where sensor_id = ${sensorId} and ts between to_timestamp(${start}) and to_timestamp(${end})`.execute(
    db,
  );
  return rows[0]!.count;
}
