import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import { checkRollup } from "../../src/timeseries/rollup.ts";
import { listAllSensors } from "../../src/timeseries/sensors.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import type { TestDatabase } from "./database.ts";

/**
 * Answers what checks that the rollups of some cells in a database are what their readings come to: as they are read,
 * with what isn't folded into them yet; and as they are once it is.
 */
export function exactRollupsIn(database: Pick<TestDatabase, "db">) {
  return async (cells: readonly number[]): Promise<void> => {
    const { db } = database;
    const sensors = await Promise.all(cells.map((cell) => listAllSensors(db, cell)));
    for (const { id } of sensors.flat())
      for (const unit of ["hour", "day"] as const)
        expect(await checkRollup(db, id, unit)).toMatchObject({ differing: 0 });
    await foldRollups(db);
    expect(await faultsOf(db, "rollup_hour", cells)).toEqual([]);
    expect(await faultsOf(db, "rollup_day", cells)).toEqual([]);
  };
}

/** Where a rollup of some cells is not what their readings come to: count and extremes exactly, sums nearly. */
async function faultsOf(db: Db, rollup: "rollup_hour" | "rollup_day", cells: readonly number[]) {
  const unit = rollup === "rollup_hour" ? "hour" : "day";
  const { rows } = await sql<object>`
    with sensor as (select id from sensor where cell_id = any(${cells}::int[])), raw as (
      select sensor_id, date_trunc(${unit}, ts, 'UTC') as bucket, count(*) as readings,
        count(summed) as count, coalesce(sum(summed), 0) as sum, coalesce(sum(abs(summed)), 0) as size,
        min(summed) as min, max(summed) as max
      from (
        select sensor_id, ts, case when abs(value) < 1e150 then value end as summed
        from reading where sensor_id in (select id from sensor)
      ) as reading
      group by 1, 2
    ), kept as (select * from ${sql.table(rollup)} where sensor_id in (select id from sensor))
    select to_jsonb(raw) as raw, to_jsonb(kept) as kept from raw full join kept using (sensor_id, bucket)
    where (raw.readings, raw.count, raw.min, raw.max)
      is distinct from (kept.readings, kept.count, kept.min, kept.max)
      or not coalesce(abs(raw.sum - kept.sum) <= 1e-9 * greatest(raw.size, 1e-200), false)`.execute(
    db,
  );
  return rows;
}
