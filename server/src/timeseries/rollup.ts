import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { retryCollisions } from "../db/transact.ts";
import { foldRollups, selectDeltas } from "./rollup-deltas.ts";
import { thoseThatCount } from "./sums.ts";

/** A rollup, by what its buckets are. */
export type RollupUnit = "hour" | "day";

const tables = { hour: "rollup_hour", day: "rollup_day" } as const;

/** How many buckets there are of a sensor, and how many of them don't say what its readings come to. */
interface Checked {
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
 * Makes the differing buckets of a sensor's rollup anew, beside uploads and without a lock that they would wait for. A
 * rollup that is right is only looked at: a transaction that writes holds up who listens, for as long as it takes.
 *
 * It is exact all the same: rollups change by folding alone, which waits; and of one moment, with nothing left to fold,
 * they must be what the readings of that moment come to. What is stored meanwhile is folded later.
 *
 * @returns how many buckets were made anew
 */
export async function rebuildRollup(db: Db, sensorId: number, unit: RollupUnit): Promise<number> {
  const { differing } = await checkRollup(db, sensorId, unit);
  if (differing === 0) return 0;
  return await retryCollisions(() =>
    db
      .transaction()
      .setIsolationLevel("repeatable read")
      .execute(async (transaction) => {
        // The moment is that of the first statement after this one, which asks for nothing but the lock.
        await sql`lock table rollup_delta in share update exclusive mode`.execute(transaction);
        await foldRollups(transaction);
        const mended = await mend(transaction, sensorId, unit);
        // Who has kept answers as of the directory's version is not to take them for what they are now.
        if (mended > 0)
          await sql`update directory set version = floor(random() * 2 ^ 53)::bigint`.execute(
            transaction,
          );
        return mended;
      }),
  );
}

async function mend(db: Db, sensorId: number, unit: RollupUnit): Promise<number> {
  const table = sql.table(tables[unit]);
  const { rows } = await sql<{ mended: number }>`
    with ${compared(sensorId, unit)},
    differing as materialized (select * from compared where differs),
    updated as (
      update ${table} as target
      set count = differing.count, readings = differing.readings, sum = differing.sum,
        min = differing.min, max = differing.max
      from differing
      where differing.readings is not null and target.sensor_id = ${sensorId} and target.bucket = differing.bucket
    ), inserted as (
      insert into ${table} (sensor_id, bucket, count, readings, sum, min, max)
      select ${sensorId}::int, bucket, count, readings, sum, min, max
      from differing where kept_readings is null order by bucket
    ), deleted as (
      delete from ${table} as target using differing
      where differing.readings is null and target.sensor_id = ${sensorId} and target.bucket = differing.bucket
    )
    select count(*)::int as mended from differing`.execute(db);
  return rows[0]!.mended;
}

/**
 * A table `compared`: each bucket of a sensor by its readings, by its rollup and what is to be folded into it (kept_…),
 * and whether they differ.
 */
function compared(sensorId: number, unit: RollupUnit): RawBuilder<unknown> {
  return sql`raw as (
      select date_trunc(${unit}, ts, 'UTC') as bucket,
        (count(*) ${thoseThatCount})::int as count, count(*)::int as readings,
        coalesce(sum(value) ${thoseThatCount}, 0) as sum,
        min(value) ${thoseThatCount} as min, max(value) ${thoseThatCount} as max,
        coalesce(sum(abs(value)) ${thoseThatCount}, 0) as size
      from reading where sensor_id = ${sensorId} group by 1
    ), kept as (
      select bucket, sum(count)::int as kept_count, sum(readings)::int as kept_readings, sum(sum) as kept_sum,
        min(min) as kept_min, max(max) as kept_max
      from (
        select bucket, count, readings, sum, min, max from ${sql.table(tables[unit])} where sensor_id = ${sensorId}
        union all
        select date_trunc(${unit}, hour, 'UTC'), count, readings, sum, min, max
        from (${selectDeltas([sensorId])}) as delta
      ) as part
      group by bucket
    ), compared as (
      select *, (
          count = kept_count and readings = kept_readings and abs(sum - kept_sum) <= 1e-9 * greatest(size, 1e-200)
          and min is not distinct from kept_min and max is not distinct from kept_max
        ) is not true as differs
      from raw full join kept using (bucket)
    )`;
}
