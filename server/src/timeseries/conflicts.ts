import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** Two values of one sensor for the same instant: the one that is kept, and the one that came second. */
export interface Conflict {
  readonly id: number;
  readonly sensor_id: number;
  readonly name: string;
  readonly measurement: string;
  readonly unit: string;
  readonly ts: Date;
  readonly value: number | null;
  readonly logger_id: number | null;
  readonly received_at: Date;
  readonly kept_value: number | null;
  readonly kept_logger_id: number | null;
  readonly kept_received_at: Date | null;
}

/** How many readings came second from a logger number, registered or not. */
interface ConflictCount {
  readonly logger_id: number | null;
  readonly count: number;
}

/** How many readings of each of some logger numbers came second; those that have none are not there. */
export async function countConflictsOf(
  db: Db,
  loggerIds: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await sql<{ logger_id: number; count: number }>`
    select logger_id, count(*) as count from reading_conflict
    where logger_id = any(${loggerIds}::bigint[])
    group by logger_id`.execute(db);
  return new Map(rows.map(({ logger_id, count }) => [logger_id, count]));
}

/** How many readings for a cell came second, by the logger that sent them, the most first. */
export async function countCellConflicts(db: Db, cellId: number): Promise<ConflictCount[]> {
  const { rows } = await sql<ConflictCount>`
    select logger_id, count(*) as count
    from sensor join reading_conflict on reading_conflict.sensor_id = sensor.id
    where cell_id = ${cellId}
    group by logger_id
    order by count(*) desc, logger_id`.execute(db);
  return rows;
}

/** A cell's conflicts, the newest first, older than `before` where it is given. */
export async function listConflicts(
  db: Db,
  cellId: number,
  { before, limit }: { readonly before?: number | undefined; readonly limit: number },
): Promise<Conflict[]> {
  // The newest of each sensor are read from the index, however many conflicts there are.
  const { rows } = await sql<Conflict>`
    select conflict.id, sensor_id, name, measurement, unit, ts, value, logger_id, received_at,
      kept_value, kept_logger_id, kept_received_at
    from sensor cross join lateral (
      select * from reading_conflict
      where sensor_id = sensor.id and id < ${before ?? Number.MAX_SAFE_INTEGER}
      order by id desc limit ${limit}
    ) as conflict
    where cell_id = ${cellId}
    order by conflict.id desc limit ${limit}`.execute(db);
  return rows;
}
