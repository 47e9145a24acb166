import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { hashSecret } from "../lib/secret.ts";
import { loggerNotFound } from "./loggers.ts";

/**
 * Gives a logger a new upload key. The old ones go on for the overlap, in which the node is told the new one. To
 * be called in a transaction.
 *
 * @param now Unix seconds
 * @returns when the last of the old ones ends, if there is one that goes on
 * @throws KnownError when there is no such logger
 */
export async function createUploadKey(
  db: Db,
  loggerId: number,
  key: string,
  now: number,
  overlap_s: number,
): Promise<Date | undefined> {
  const end = new Date((now + overlap_s) * 1000);
  await lockLogger(db, loggerId);
  await db
    .updateTable("upload_key")
    .set({ expires_at: end })
    .where("logger_id", "=", loggerId)
    .where(sql<boolean>`(expires_at is null or expires_at > ${end})`)
    .execute();
  await db
    .deleteFrom("upload_key")
    .where("logger_id", "=", loggerId)
    .where("expires_at", "<=", new Date(now * 1000))
    .execute();
  const old = await db
    .selectFrom("upload_key")
    .select(({ fn }) => fn.max("expires_at").as("end"))
    .where("logger_id", "=", loggerId)
    .executeTakeFirstOrThrow();
  const created_at = new Date(now * 1000);
  await db
    .insertInto("upload_key")
    .values({ logger_id: loggerId, hash: hashSecret(key), created_at, expires_at: null })
    .execute();
  return old.end ?? undefined;
}

/** Two keys that are made at once queue: the second one replaces the first. */
async function lockLogger(db: Db, id: number): Promise<void> {
  const found = await db
    .selectFrom("logger")
    .select("id")
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
  if (!found) throw loggerNotFound();
}

/** Ends all upload keys of a logger, at once. */
export async function deleteUploadKeys(db: Db, loggerId: number): Promise<void> {
  await db.deleteFrom("upload_key").where("logger_id", "=", loggerId).execute();
}

/** The logger that the upload key with this hash belongs to, if there is one that goes on. @param now Unix seconds */
export async function findUploadKey(
  db: Db,
  hash: Buffer,
  now: number,
): Promise<{ keyId: number; loggerId: number; ownerId: string | null } | undefined> {
  return await db
    .selectFrom("upload_key")
    .innerJoin("logger", "logger.id", "upload_key.logger_id")
    .select(["upload_key.id as keyId", "logger_id as loggerId", "user_id as ownerId"])
    .where("hash", "=", hash)
    .where(sql<boolean>`(expires_at is null or expires_at > ${new Date(now * 1000)})`)
    .executeTakeFirst();
}
