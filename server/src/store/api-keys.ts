import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { hashSecret } from "../lib/secret.ts";

/** A user's key as it is shown after its creation: not the key. */
export interface ApiKey {
  readonly id: number;
  readonly name: string;
  /** The key's first characters. */
  readonly prefix: string;
  readonly scopes: string[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
}

interface NewApiKey {
  readonly userId: string;
  readonly name: string;
  readonly key: string;
  readonly shownLength: number;
  readonly scopes: readonly string[];
  /** Unix seconds. */
  readonly now: number;
  readonly expiresAt?: Date | null;
}

const mostKeys = 100;

const keyNameTaken = defineError("conflict", "key_name_taken", "You have a key named {name}");
const tooManyKeys = defineError(
  "invalid",
  "too_many_keys",
  `You have ${mostKeys} keys: delete one that is not used`,
);
const keyNotFound = defineError("not_found", "key_not_found", "API key not found");

const columns = [
  "id",
  "name",
  "prefix",
  "scopes",
  "created_at",
  "expires_at",
  "last_used_at",
] as const;
const usedAgain_s = 60;

/** @throws KnownError when the user has a key of that name, or very many */
export async function createApiKey(
  db: Db,
  { userId, name, key, shownLength, scopes, now, expiresAt }: NewApiKey,
): Promise<ApiKey> {
  if ((await listApiKeys(db, userId)).length >= mostKeys) throw tooManyKeys();
  const created = await db
    .insertInto("api_key")
    .values({
      account_id: userId,
      name: name.trim(),
      prefix: key.slice(0, shownLength),
      hash: hashSecret(key),
      scopes: [...scopes],
      created_at: new Date(now * 1000),
      expires_at: expiresAt ?? null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw keyNameTaken({ name: name.trim() });
  return created;
}

/** A user's keys, oldest first. */
export async function listApiKeys(db: Db, userId: string): Promise<ApiKey[]> {
  return await db
    .selectFrom("api_key")
    .select(columns)
    .where("account_id", "=", userId)
    .orderBy("id")
    .execute();
}

/** @throws KnownError when the user has no such key */
export async function deleteApiKey(db: Db, userId: string, id: number): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom("api_key")
    .where("account_id", "=", userId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw keyNotFound();
}

/** Takes all keys from a user. */
export async function deleteApiKeysOf(db: Db, userId: string): Promise<void> {
  await db.deleteFrom("api_key").where("account_id", "=", userId).execute();
}

/**
 * The key with this hash, if there is one that goes on; notes its use, once a minute at most.
 *
 * @param now Unix seconds
 */
export async function findApiKey(
  db: Db,
  hash: Buffer,
  now: number,
): Promise<{ id: number; userId: string; scopes: string[] } | undefined> {
  const at = new Date(now * 1000);
  const found = await db
    .selectFrom("api_key")
    .select(["id", "account_id as userId", "scopes", "last_used_at"])
    .where("hash", "=", hash)
    .where(sql<boolean>`(expires_at is null or expires_at > ${at})`)
    .executeTakeFirst();
  if (!found) return undefined;
  if (!found.last_used_at || now - found.last_used_at.getTime() / 1000 > usedAgain_s)
    await db.updateTable("api_key").set({ last_used_at: at }).where("id", "=", found.id).execute();
  return found;
}
