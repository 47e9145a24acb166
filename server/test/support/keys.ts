import { randomUUID } from "node:crypto";
import type { Scope } from "../../src/auth/caller.ts";
import { newApiKey, shownLength } from "../../src/auth/keys.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import type { TestApi } from "./api.ts";
import type { TestUser } from "./users.ts";

/** A new key of a user, as it is sent. */
export async function newKey(
  { db, now }: Pick<TestApi, "db" | "now">,
  { id: userId }: TestUser,
  scopes: readonly Scope[],
): Promise<{ readonly headers: { readonly "x-api-key": string } }> {
  const key = newApiKey();
  await createApiKey(db, { userId, name: randomUUID(), key, shownLength, scopes, now });
  return { headers: { "x-api-key": key } };
}
