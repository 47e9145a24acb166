import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { findApiKey } from "../store/api-keys.ts";
import { findSession } from "../store/sessions.ts";
import { findUploadKey } from "../store/upload-keys.ts";
import { nobody, scopes, type Caller, type Scope } from "./caller.ts";
import { isApiKey, isUploadKey } from "./keys.ts";
import { verifyAccessToken, type TokenSettings } from "./tokens.ts";

export interface AuthDeps {
  readonly db: Db;
  readonly tokens: TokenSettings;
}

const badHeader = defineError("forbidden", "bad_authorization", "Authentication failed");
const sessionOver = defineError(
  "unauthenticated",
  "session_over",
  "Token expired: its session is over",
);
const unknownKey = defineError(
  "unauthenticated",
  "unknown_key",
  "No token or API key provided: this key is not known",
);

/**
 * Finds out who is calling, from `Authorization: Bearer …` or `X-API-Key`. Who shows nothing is nobody; what is
 * shown must be good.
 *
 * @param now Unix seconds
 * @throws KnownError: 401 for an expired token, an ended session or an unknown key, 403 for anything malformed
 */
export async function authenticate(
  deps: AuthDeps,
  {
    authorization,
    apiKey,
  }: { readonly authorization: string | undefined; readonly apiKey: string | undefined },
  now: number,
): Promise<Caller> {
  if (authorization !== undefined) return await byToken(deps, authorization, now);
  if (apiKey !== undefined) return await byKey(deps.db, apiKey, now);
  return nobody;
}

async function byToken(
  { db, tokens }: AuthDeps,
  authorization: string,
  now: number,
): Promise<Caller> {
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw badHeader();
  const { sessionId, userId } = await verifyAccessToken(tokens, token, now);
  const session = await findSession(db, sessionId);
  if (session?.userId !== userId) throw sessionOver();
  return { kind: "user", userId, sessionId, admin: session.admin };
}

async function byKey(db: Db, key: string, now: number): Promise<Caller> {
  if (isApiKey(key)) {
    const found = await findApiKey(db, key, now);
    if (found)
      return {
        kind: "key",
        userId: found.userId,
        keyId: found.id,
        scopes: found.scopes.filter(isScope),
      };
  } else if (isUploadKey(key)) {
    const found = await findUploadKey(db, key, now);
    if (found) return { kind: "upload-key", ...found };
  }
  throw unknownKey();
}

function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text);
}
