import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";
import type { Sensor } from "./sensors.ts";

/** A rollup, by what its buckets are. */
export type RollupUnit = "hour" | "day";

const tables = { hour: "rollup_hour", day: "rollup_day" } as const;

/** Every sensor, power included; of one cell where it is given. */
export async function listRolledUp(db: Db, cellId: number | undefined): Promise<Sensor[]> {
  return await db
    .selectFrom("sensor")
    .select(["id", "cell_id", "name", "measurement", "unit", "data_type"])
    .$if(cellId !== undefined, (query) => query.where("cell_id", "=", cellId!))
    .orderBy("cell_id")
    .orderBy("id")
    .execute();
}

/** How many buckets there are of a sensor, and how many of them don't say what its readings come to. */
export interface Checked {
  readonly buckets: number;
  readonly differing: number;
}

/**
 * Compares a sensor's rollup with its readings: counts, least and greatest values must be the same, and sums as near
 * as the order of adding allows. One statement sees both as of one moment, and uploads change both at once.
 */
export async function checkRollup(db: Db, sensorId: number, unit: RollupUnit): Promise<Checked> {
  const { rows } = await sql<Checked>`
    with ${compared(sensorId, unit)}
    select count(*)::int as buckets, (count(*) filter (where differs))::int as differing
    from compared`.execute(db);
  return rows[0]!;
}

/**
 * Makes the differing buckets of a sensor's rollup anew, beside uploads and without a lock that they would wait for.
 *
 * It is exact all the same: a bucket is put right only if its row is still what it was when its readings were counted.
 * An upload that was counted in neither adds to the row that it finds; one that changed the row meanwhile is found
 * out by that, and the bucket is looked at again.
 *
 * @returns how many buckets were made anew
 */
export async function rebuildRollup(db: Db, sensorId: number, unit: RollupUnit): Promise<number> {
  let mended = 0;
  for (;;) {
    const round = await transact(db, (transaction) => mend(transaction, sensorId, unit));
    mended += round.mended;
    if (round.mended === round.differing) return mended;
  }
}

/** One attempt: how many buckets differ, and how many of them nothing came in between for. */
async function mend(
  db: Db,
  sensorId: number,
  unit: RollupUnit,
): Promise<{ differing: number; mended: number }> {
  const table = sql.table(tables[unit]);
  const isAsCompared = sql`target.sensor_id = ${sensorId} and target.bucket = differing.bucket
    and (target.count, target.readings, target.sum, target.min, target.max)
      is not distinct from (kept_count, kept_readings, kept_sum, kept_min, kept_max)`;
  const { rows } = await sql<{ differing: number; mended: number }>`
    with ${compared(sensorId, unit)},
    differing as materialized (select * from compared where differs),
    updated as (
      update ${table} as target
      set count = differing.count, readings = differing.readings, sum = differing.sum,
        min = differing.min, max = differing.max
      from differing where differing.readings is not null and ${isAsCompared}
      returning 1
    ), inserted as (
      insert into ${table} (sensor_id, bucket, count, readings, sum, min, max)
      select ${sensorId}::int, bucket, count, readings, sum, min, max
      from differing where kept_readings is null order by bucket
      on conflict do nothing
      returning 1
    ), deleted as (
      delete from ${table} as target using differing
      where differing.readings is null and ${isAsCompared}
      returning 1
    )
    select (select count(*) from differing)::int as differing,
      ((select count(*) from updated) + (select count(*) from inserted) + (select count(*) from deleted))::int as mended`.execute(
    db,
  );
  return rows[0]!;
}

/** A table `compared`: each bucket of a sensor by its readings, by its rollup (kept_…), and whether they differ. */
function compared(sensorId: number, unit: RollupUnit): RawBuilder<unknown> {
  return sql`raw as (
      select date_trunc(${unit}, ts, 'UTC') as bucket,
        (count(*) filter (where abs(value) < 1e150))::int as count, count(*)::int as readings,
        coalesce(sum(value) filter (where abs(value) < 1e150), 0) as sum,
        min(value) filter (where abs(value) < 1e150) as min, max(value) filter (where abs(value) < 1e150) as max,
        coalesce(sum(abs(value)) filter (where abs(value) < 1e150), 0) as size
      from reading where sensor_id = ${sensorId} group by 1
    ), kept as (
      select bucket, count as kept_count, readings as kept_readings, sum as kept_sum, min as kept_min, max as kept_max
      from ${sql.table(tables[unit])} where sensor_id = ${sensorId}
    ), compared as (
      select *, (
          count = kept_count and readings = kept_readings and abs(sum - kept_sum) <= 1e-9 * greatest(size, 1e-200)
          and min is not distinct from kept_min and max is not distinct from kept_max
        ) is not true as differs
      from raw full join kept using (bucket)
    )`;
}
