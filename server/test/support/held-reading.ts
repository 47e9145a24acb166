import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../src/db/connect.ts";

/** A place among the readings that is taken and not committed: who stores one there waits. */
export interface HeldReading {
  /** Waits for someone who waits, and ends their connection. */
  cutWhoWaits(): Promise<void>;
  /** Leaves the place free. */
  release(): Promise<void>;
}

/** @param ts Unix seconds, at which the cell's one sensor has no reading yet */
export async function holdReading(db: Db, cellId: number, ts: number): Promise<HeldReading> {
  const holder = await db.startTransaction().execute();
  const { rows } = await sql<{ pid: number }>`
    insert into reading (sensor_id, ts, value, received_at)
    select id, to_timestamp(${ts}), 0, now() from sensor where cell_id = ${cellId}
    returning pg_backend_pid() as pid`.execute(holder);
  const { pid } = rows[0]!;
  return {
    async cutWhoWaits() {
      await expect
        .poll(() => endThoseWhoWaitFor(db, pid), { timeout: 20_000, interval: 20 })
        .toBe(1);
    },
    async release() {
      await holder.rollback().execute();
    },
  };
}

async function endThoseWhoWaitFor(db: Db, pid: number): Promise<number> {
  const { rows } = await sql`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity where ${pid} = any(pg_blocking_pids(pid))`.execute(
    db,
  );
  return rows.length;
}
