import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { day_s, hour_s } from "../lib/duration.ts";
import type { Range } from "./resample.ts";
import { selectDeltasIn } from "./rollup-deltas.ts";
import { planSpans, type Span } from "./spans.ts";

/** What there is of a sensor in a range. */
export interface Measured {
  readonly sensorId: number;
  /** The first and the last instant of its readings in the range, Unix seconds; null when there are none. */
  readonly first: number | null;
  readonly last: number | null;
  /** How many readings the hours hold that the range touches: at least as many as the range itself. */
  readonly readings: number;
}

/**
 * Finds out where in a range some sensors have readings, and how many at most: from the ends of the key and from
 * rollups, however many there are. Readings are never taken back, so `readings` changes with whatever comes.
 *
 * @returns the sensors in the order of `ids`
 */
export async function measure(
  db: Db,
  ids: readonly number[],
  range: Range,
): Promise<readonly Measured[]> {
  if (range.start > range.end || ids.length === 0)
    return ids.map((sensorId) => ({ sensorId, first: null, last: null, readings: 0 }));
  const { hour, day } = planSpans(wholeHours(range), { days: true });
  const within = sql`sensor_id = sensor.id
    and ts between to_timestamp(${range.start}) and to_timestamp(${range.end})`;
  const { rows } = await sql<Measured>`
    select sensor.id as "sensorId", extract(epoch from first.ts)::float8 as first,
      extract(epoch from last.ts)::float8 as last,
      (${countIn("rollup_hour", hour)} + ${countIn("rollup_day", day)} + coalesce(fresh.readings, 0))::float8 as readings
    from unnest(${ids}::int[]) with ordinality as sensor (id, at)
    left join lateral (select ts from reading where ${within} order by ts limit 1) as first on true
    left join lateral (select ts from reading where ${within} order by ts desc limit 1) as last on true
    left join (
      select sensor_id, sum(readings) as readings
      from (${selectDeltasIn(ids, [...hour, ...day])}) as delta group by sensor_id
    ) as fresh on fresh.sensor_id = sensor.id
    order by at`.execute(db);
  return rows;
}

/** How many instants of a range there are at which some sensors have readings: it goes through all of these. */
export async function countInstants(db: Db, ids: readonly number[], range: Range): Promise<number> {
  const { rows } = await sql<{ instants: number }>`
    select count(distinct ts)::int as instants from reading
    where sensor_id = any(${ids}::int[])
      and ts between to_timestamp(${range.start}) and to_timestamp(${range.end})`.execute(db);
  return rows[0]!.instants;
}

/** The starts of the days, UTC, of a range on which any of some sensors has readings; ascending. */
export async function listDays(
  db: Db,
  ids: readonly number[],
  { start, end }: Range,
): Promise<number[]> {
  const from = Math.floor(start / day_s) * day_s;
  const to = (Math.floor(end / day_s) + 1) * day_s;
  const { rows } = await sql<{ day: number }>`
    select date_part('epoch', bucket) as day
    from (
      select bucket from unnest(${ids}::int[]) as sensor (id)
      cross join lateral (
        select bucket from rollup_day
        where sensor_id = sensor.id and bucket >= to_timestamp(${from}) and bucket < to_timestamp(${to})
        offset 0
      ) as kept
      union
      select date_trunc('day', hour, 'UTC') from (${selectDeltasIn(ids, [{ from, to, closed: false }])}) as delta
    ) as days
    order by day`.execute(db);
  return rows.map(({ day }) => day);
}

/** The part of a range where any of the sensors has readings; empty when none has. */
export function clip(range: Range, measured: readonly Measured[]): Range {
  const firsts = measured.map(({ first }) => first).filter((first) => first !== null);
  const lasts = measured.map(({ last }) => last).filter((last) => last !== null);
  if (firsts.length === 0) return { start: range.start, end: -Infinity };
  return { start: Math.min(...firsts), end: Math.max(...lasts) };
}

/** Whether no instant is in a range; its ends are. */
export function isEmpty({ start, end }: Range): boolean {
  return start > end;
}

function wholeHours({ start, end }: Range): Range {
  return {
    start: Math.floor(start / hour_s) * hour_s,
    end: (Math.floor(end / hour_s) + 1) * hour_s,
  };
}

function countIn(rollup: "rollup_hour" | "rollup_day", spans: readonly Span[]): RawBuilder<number> {
  return sql`(
    select coalesce(sum(readings), 0)
    from unnest(${spans.map(({ from }) => from)}::float8[], ${spans.map(({ to }) => to)}::float8[]) as span ("from", "to")
    join ${sql.table(rollup)} as kept
      on sensor_id = sensor.id and bucket >= to_timestamp(span.from) and bucket < to_timestamp(span.to))`;
}
