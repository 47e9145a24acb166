import { sql } from "kysely";
import type { Db } from "../../src/db/connect.ts";
import { findLogEnd, type LogPosition } from "../../src/timeseries/arrivals.ts";
import { waitUntil } from "./wait-until.ts";

/** The end of the log, once what was begun before this is over, by whomever on this server: other tests share it. */
export async function findSettledEnd(db: Db): Promise<LogPosition> {
  const { rows } = await sql<{ xid: number }>`
    select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xid`.execute(db);
  await waitUntil(async () => {
    const { rows: now } = await sql<{ isSettled: boolean }>`
      select pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= ${rows[0]!.xid} as "isSettled"`.execute(
      db,
    );
    return now[0]!.isSettled;
  });
  return await findLogEnd(db);
}
