import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { hashSecret } from "../lib/secret.ts";
import { findApiKey } from "../store/api-keys.ts";
import { findSession } from "../store/sessions.ts";
import { findUploadKey } from "../store/upload-keys.ts";
import { nobody, scopes, type Caller, type Scope } from "./caller.ts";
import { isApiKey, isUploadKey } from "./keys.ts";
import { verifyAccessToken, type Claims, type TokenSettings } from "./tokens.ts";

export interface AuthDeps {
  readonly db: Db;
  readonly tokens: TokenSettings;
}

/** Who calls with a key that uploads, and does nothing else. */
export const uploadOnly = defineError(
  "forbidden",
  "upload_only",
  "Authentication failed: this key is for uploads only",
);
const badHeader = defineError("forbidden", "bad_authorization", "Authentication failed");
export const sessionOver = defineError(
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
  const caller = await findBySession(db, await readToken(tokens, authorization, now));
  if (!caller) throw sessionOver();
  return caller;
}

async function byKey(db: Db, text: string, now: number): Promise<Caller> {
  const key = recogniseKey(text);
  const caller = key && (await findByKey(db, key, now));
  if (!caller) throw unknownKey();
  return caller;
}

/**
 * The session that an `Authorization` header is a token of, if that goes on.
 *
 * @param now Unix seconds
 * @throws KnownError: 401 for an expired token, 403 for anything else that isn't one of ours
 */
export async function readToken(
  tokens: TokenSettings,
  authorization: string,
  now: number,
): Promise<Claims> {
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw badHeader();
  return await verifyAccessToken(tokens, token, now);
}

/** Who has a session, if it goes on. */
export async function findBySession(
  db: Db,
  { userId, sessionId }: Claims,
): Promise<Caller | undefined> {
  const session = await findSession(db, sessionId);
  if (session?.userId !== userId) return undefined;
  return { kind: "user", userId, sessionId, admin: session.admin };
}

/** A key as the database knows it. */
interface KeyHash {
  readonly kind: "api" | "upload";
  readonly hash: Buffer;
}

/** The hash of what is formed as a key. */
export function recogniseKey(text: string): KeyHash | undefined {
  if (isApiKey(text)) return { kind: "api", hash: hashSecret(text) };
  return isUploadKey(text) ? { kind: "upload", hash: hashSecret(text) } : undefined;
}

/** Who has a key, if it is one that goes on. @param now Unix seconds */
export async function findByKey(
  db: Db,
  { kind, hash }: KeyHash,
  now: number,
): Promise<Caller | undefined> {
  if (kind === "upload") {
    const found = await findUploadKey(db, hash, now);
    return found && { kind: "upload-key", ...found };
  }
  const found = await findApiKey(db, hash, now);
  if (!found) return undefined;
  const { id: keyId, userId } = found;
  return { kind: "key", userId, keyId, scopes: found.scopes.filter(isScope) };
}

function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text);
}
