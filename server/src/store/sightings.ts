import { sql } from "kysely";
import { float8s, int4s, int8s } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";

/** That a logger was heard of in a cell. */
export interface Sighting {
  readonly loggerId: number;
  readonly cellId: number;
  /** Unix seconds, by the server's clock. */
  readonly receivedAt: number;
}

/** Notes when loggers were last heard of, where that is later than what is noted, and their cells are still there. */
export async function noteSightings(db: Db, sightings: readonly Sighting[]): Promise<void> {
  // In one order, so that processes that note the same don't wait for each other in a circle.
  const sorted = sightings.toSorted((a, b) => a.loggerId - b.loggerId || a.cellId - b.cellId);
  await sql`update logger_sighting set last_received_at = to_timestamp(heard.at)
    from unnest(
      ${int8s(sorted, ({ loggerId }) => loggerId)}::bigint[],
      ${int4s(sorted, ({ cellId }) => cellId)}::int[],
      ${float8s(sorted, ({ receivedAt }) => receivedAt)}::float8[]
    ) as heard (logger_id, cell_id, at)
    where logger_sighting.logger_id = heard.logger_id and logger_sighting.cell_id = heard.cell_id
      and (last_received_at is null or last_received_at < to_timestamp(heard.at))`.execute(db);
}

/** When loggers were last heard of, in whatever cell, by their numbers; those of whom nothing is noted aren't in it. */
export async function readLastReceived(
  db: Db,
  loggerIds: readonly number[],
): Promise<ReadonlyMap<number, Date>> {
  const { rows } = await sql<{ id: number; at: Date }>`
    select logger_id as id, max(last_received_at) as at from logger_sighting
    where logger_id = any(${loggerIds}::bigint[]) and last_received_at is not null
    group by logger_id`.execute(db);
  return new Map(rows.map(({ id, at }) => [id, at]));
}
