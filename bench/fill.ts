import type { SensorTypeName } from "@ents-backend/schemas/sensor";
import { findSensorType } from "@ents-backend/schemas/sensor";
import type { Client } from "pg";

/** A stream to be filled: power is one of them here. */
export interface FilledStream {
  readonly name: SensorTypeName | "POWER";
  readonly cellId: number;
}

/** Readings at a fixed interval. */
export interface Span {
  /** Unix seconds, at the start of an hour. */
  readonly start: number;
  readonly instants: number;
  readonly interval_s: number;
}

/** The streams of a cell that is filled. */
export const streamNames = [
  "POWER_VOLTAGE",
  "POWER_CURRENT",
  "POWER",
  "TEROS12_TEMP",
  "TEROS12_VWC",
  "TEROS12_EC",
  "BME280_TEMP",
  "BME280_HUMIDITY",
] as const satisfies readonly FilledStream["name"][];

const mostRowsAtOnce = 2_000_000;

/** Makes sensors; answers their numbers, in order. */
export async function createSensors(
  sql: Client,
  streams: readonly FilledStream[],
): Promise<number[]> {
  const types = streams.map(({ name }) =>
    name === "POWER" ? { measurement: "Power", unit: "uW" } : findSensorType(name)!,
  );
  const { rows } = await sql.query<{ id: number }>(
    `insert into sensor (cell_id, name, measurement, unit, data_type)
     select *, 'float' from unnest($1::int[], $2::text[], $3::text[], $4::text[]) returning id`,
    [
      streams.map(({ cellId }) => cellId),
      streams.map(({ name }) => name),
      types.map(({ measurement }) => measurement),
      types.map(({ unit }) => unit),
    ],
  );
  return rows.map(({ id }) => id);
}

/**
 * Fills some sensors with readings in the order in which they would have come: all sensors of an instant, then the
 * next one. Rollups are not made here.
 */
export async function fillReadings(
  sql: Client,
  sensorIds: readonly number[],
  { start, instants, interval_s }: Span,
  onRows: (rows: number) => void,
): Promise<void> {
  const step = Math.max(1, Math.floor(mostRowsAtOnce / sensorIds.length));
  for (let from = 0; from < instants; from += step) {
    const to = Math.min(from + step, instants);
    await sql.query(
      `insert into reading (ts, value, received_at, logger_id, sensor_id)
       select to_timestamp($2 + nth / $4 * $3), 20 + 5 * sin(nth * 0.001),
         to_timestamp($2 + nth / $4 * $3 + 2), 1, ($1::int[])[nth % $4 + 1]
       from generate_series($5::bigint * $4::bigint, $6::bigint * $4 - 1) as nth`,
      [sensorIds, start, interval_s, sensorIds.length, from, to],
    );
    onRows((to - from) * sensorIds.length);
  }
}

/** Makes the rollups of sensors that have none, as the writes of their readings would have made them. */
export async function fillRollups(sql: Client, sensorIds: readonly number[]): Promise<void> {
  await sql.query("set work_mem = '256MB'");
  await sql.query(
    `insert into rollup_hour (sensor_id, bucket, count, readings, sum, min, max)
     select sensor_id, date_trunc('hour', ts, 'UTC'), count(value), count(*), coalesce(sum(value), 0),
       min(value), max(value)
     from reading where sensor_id = any($1) group by 1, 2 order by 1, 2`,
    [sensorIds],
  );
  await sql.query(
    `insert into rollup_day (sensor_id, bucket, count, readings, sum, min, max)
     select sensor_id, date_trunc('day', bucket, 'UTC'), sum(count), sum(readings), sum(sum), min(min), max(max)
     from rollup_hour where sensor_id = any($1) group by 1, 2 order by 1, 2`,
    [sensorIds],
  );
  await sql.query("reset work_mem");
}

/** Runs what writes much at once without a checkpoint every few seconds, and leaves the server as it was. */
export async function inBulk<T>(sql: Client, run: () => Promise<T>): Promise<T> {
  await sql.query("alter system set max_wal_size = '8GB'");
  await sql.query("select pg_reload_conf()");
  try {
    return await run();
  } finally {
    await sql.query("alter system reset max_wal_size");
    await sql.query("select pg_reload_conf()");
    await sql.query("checkpoint");
  }
}

/** Lets the planner know what is there, and reads know that they find it in the index. */
export async function settle(sql: Client): Promise<void> {
  await sql.query("vacuum (analyze) reading, rollup_hour, rollup_day");
  await sql.query("checkpoint");
}
