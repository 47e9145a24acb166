import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** Few enough that a batch takes milliseconds. */
const batch_rows = 5000;

/**
 * Readings of a deleted cell may still be on their way when it goes: an upload that found the cell before commits
 * after. Its sensors are looked at again for that long.
 */
const grace_s = 600;

/**
 * Deletes the readings of deleted cells, a few thousand at a time, until there are none left. What it marked to be
 * deleted stays marked until it is, so that another process, or this one after a crash, goes on.
 *
 * @param signal ends it between two batches
 */
export async function sweepDeleted(db: Db, signal?: AbortSignal): Promise<void> {
  const isOver = (): boolean => signal?.aborted ?? false;
  for (const { sensor_id } of await db.selectFrom("deleted_sensor").select("sensor_id").execute())
    while (!isOver() && (await deleteBatch(db, sensor_id)) > 0);
  if (!isOver()) await forgetOld(db);
}

/** @returns how many readings went, 0 also while another process deletes them */
async function deleteBatch(db: Db, sensorId: number): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    const { rows } = await sql`
      select from deleted_sensor where sensor_id = ${sensorId} for update skip locked`.execute(
      transaction,
    );
    if (rows.length === 0) return 0;
    // A range of the key: however many readings there are, no other ones are looked at.
    const { rows: last } = await sql<{ end: string }>`
      select ts::text as end from reading where sensor_id = ${sensorId} order by ts offset ${batch_rows - 1} limit 1`.execute(
      transaction,
    );
    const range = sql`sensor_id = ${sensorId} and ts <= coalesce(${last[0]?.end ?? null}::timestamptz, 'infinity')`;
    await sql`delete from reading_conflict where ${range}`.execute(transaction);
    for (const rollup of ["rollup_hour", "rollup_day"] as const)
      await transaction.deleteFrom(rollup).where("sensor_id", "=", sensorId).execute();
    const { numAffectedRows } = await sql`delete from reading where ${range}`.execute(transaction);
    return Number(numAffectedRows);
  });
}

/** Sensors that nothing can come for any more. */
async function forgetOld(db: Db): Promise<void> {
  await sql`
    delete from deleted_sensor
    where deleted_at < now() - make_interval(secs => ${grace_s})
      and not exists (select from reading where reading.sensor_id = deleted_sensor.sensor_id)`.execute(
    db,
  );
}
