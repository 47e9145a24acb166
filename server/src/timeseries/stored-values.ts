import { sql } from "kysely";
import { float8s, int4s } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";
import type { NewReading } from "./write.ts";

/**
 * What is stored for the instants of some readings, in their order; undefined where there is nothing.
 */
export async function findStoredValues(
  db: Db,
  readings: readonly NewReading[],
): Promise<(number | null | undefined)[]> {
  const { rows } = await sql<{ at: number; value: number | null }>`
    select at::int as at, reading.value
    from unnest(${int4s(readings, ({ cellId }) => cellId)}::int[], ${readings.map(({ stream }) => stream.name)}::text[],
      ${readings.map(({ stream }) => stream.measurement)}::text[], ${float8s(readings, ({ ts }) => ts)}::float8[])
      with ordinality as input (cell_id, name, measurement, ts, at)
    join sensor using (cell_id, name, measurement)
    cross join lateral (
      select value from reading where sensor_id = sensor.id and ts = to_timestamp(input.ts) offset 0
    ) as reading`.execute(db);
  const found: (number | null | undefined)[] = readings.map(() => undefined);
  for (const { at, value } of rows) found[at - 1] = value;
  return found;
}
