import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Span } from "./spans.ts";

/**
 * Adds what was stored since the last time to the rollups. One does so at a time; nobody who stores or reads waits for
 * it. A crash takes it back as a whole, so it needn't wait for the disk.
 */
export async function foldRollups(db: Db): Promise<void> {
  await sql`select set_config('synchronous_commit', 'off', true), fold_rollups()`.execute(db);
}

/**
 * Rows of (sensor_id, hour, readings, count, sum, min, max), several for one hour: what is not folded into the rollups
 * of some sensors yet. A statement that reads these and the rollups sees both as of one moment, and nothing twice.
 */
export function selectDeltas(ids: readonly number[]): RawBuilder<unknown> {
  return sql`select * from list_deltas(${ids}::int[])`;
}

/** The same, of the hours in some spans that begin and end on hours, each hour in one of them at most. */
export function selectDeltasIn(
  ids: readonly number[],
  spans: readonly Span[],
): RawBuilder<unknown> {
  return sql`
    select delta.* from (${selectDeltas(ids)}) as delta
    join unnest(${spans.map(({ from }) => from)}::float8[], ${spans.map(({ to }) => to)}::float8[]) as span ("from", "to")
      on hour >= to_timestamp(span.from) and hour < to_timestamp(span.to)`;
}
