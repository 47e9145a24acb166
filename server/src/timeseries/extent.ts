import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** Clocks of devices are ahead by less, but those that are wrong. */
const ahead_s = 86_400;

/**
 * The first and the last instant of some cells' readings, as Unix seconds; null when there are none. What lies in the future
 * isn't the last one where there is anything else: one reading of a wrong clock would hide all others.
 *
 * @param now Unix seconds
 */
export async function readExtent(
  db: Db,
  cellIds: readonly number[],
  now: number,
): Promise<{ earliest: number | null; latest: number | null }> {
  const { rows } = await sql<{ earliest: number | null; latest: number | null }>`
    select extract(epoch from min(first.ts))::float8 as earliest,
      extract(epoch from coalesce(max(past.ts), max(last.ts)))::float8 as latest
    from sensor
    cross join lateral (select ts from reading where sensor_id = sensor.id order by ts limit 1) as first
    cross join lateral (select ts from reading where sensor_id = sensor.id order by ts desc limit 1) as last
    left join lateral (
      select ts from reading where sensor_id = sensor.id and ts <= to_timestamp(${now + ahead_s})
      order by ts desc limit 1
    ) as past on true
    where sensor.cell_id = any(${cellIds}::int[])`.execute(db);
  return rows[0]!;
}
