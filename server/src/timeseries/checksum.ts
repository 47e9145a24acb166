import type { Stream } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Range } from "./resample.ts";

/** How many readings a stream has in a range, and what (instant, value) of them come to in whatever order. */
interface Checksum {
  readonly readings: number;
  /** The sum of 64-bit hashes; null without readings. */
  readonly checksum: string | null;
}

/** Sums up the readings of a stream of a cell. Source of the hashes: PostgreSQL's own, the same since version 11. */
export async function sumUpStream(
  db: Db,
  cellId: number,
  { name, measurement }: Stream,
  { start, end }: Range,
): Promise<Checksum> {
  const { rows } = await sql<Checksum>`
    select count(*) as readings, sum(
      case when value is null then hashint8extended(microseconds, 1)
        else hashfloat8extended(value, microseconds) end)::text as checksum
    from sensor cross join lateral (
      select value, (extract(epoch from ts) * 1000000)::int8 as microseconds
      from reading
      where sensor_id = sensor.id and ts between to_timestamp(${start}) and to_timestamp(${end})
      offset 0
    ) as reading
    where cell_id = ${cellId} and name = ${name} and measurement = ${measurement}`.execute(db);
  return rows[0]!;
}

/** How many of some readings aren't there, or are there with another value. */
export interface Compared {
  readonly missing: number;
  readonly differing: number;
}

/** Looks some readings of a stream of a cell up, one by one. */
export async function compareWithStream(
  db: Db,
  cellId: number,
  { name, measurement }: Stream,
  readings: readonly { readonly ts: number; readonly value: number | null }[],
): Promise<Compared> {
  const { rows } = await sql<Compared>`
    select count(*) filter (where reading.ts is null) as missing,
      count(*) filter (where reading.ts is not null and reading.value is distinct from input.value) as differing
    from unnest(${readings.map(({ ts }) => ts)}::float8[], ${readings.map(({ value }) => value)}::float8[])
      as input (ts, value)
    left join lateral (
      select * from reading
      where ts = to_timestamp(input.ts) and sensor_id = (
        select id from sensor where cell_id = ${cellId} and name = ${name} and measurement = ${measurement})
      offset 0
    ) as reading on true`.execute(db);
  return rows[0]!;
}
