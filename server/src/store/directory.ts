import type { Db } from "../db/connect.ts";

/**
 * The version of what uploads are judged by: another number, of no order, whenever a cell changes or goes, a logger
 * comes, changes or goes, or a role on a cell does so, and when somebody becomes an admin or is none any more; and when
 * rollups are made anew. No two databases share one.
 */
export async function readDirectoryVersion(db: Db): Promise<number> {
  const { version } = await db.selectFrom("directory").select("version").executeTakeFirstOrThrow();
  return version;
}
