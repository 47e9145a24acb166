import type { DatabaseUrl, Db } from "../db/connect.ts";
import type { Log } from "../lib/log.ts";
import type { Bell } from "./bell.ts";
import { PostgresBell } from "./postgres-bell.ts";
import { RedisBell } from "./redis-bell.ts";

/** The bell on Redis where there is one, and otherwise the one in the database. */
export function openBell(
  { db, url }: { readonly db: Db; readonly url: DatabaseUrl },
  { redisUrl, log }: { readonly redisUrl: string | undefined; readonly log: Log },
): Bell {
  return redisUrl === undefined ? new PostgresBell({ db, url, log }) : new RedisBell(redisUrl, log);
}
