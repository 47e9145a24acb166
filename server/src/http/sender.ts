import type { FastifyRequest } from "fastify";
import {
  findByKey,
  findBySession,
  readToken,
  recogniseKey,
  type AuthDeps,
} from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import type { TokenSettings } from "../auth/tokens.ts";
import type { Credentials, Sender, ShownKey } from "../ingest/uplink.ts";
import { KnownError } from "../lib/errors.ts";
import { actorOf, credentialsOf } from "./caller.ts";

/**
 * What a request shows of who it is from, without asking the database. What is no good is passed over, since an
 * open cell takes the upload all the same.
 *
 * @param now Unix seconds
 */
export async function readCredentials(
  tokens: TokenSettings,
  request: FastifyRequest,
  now: number,
): Promise<Credentials> {
  const { authorization, apiKey } = credentialsOf(request);
  const key = apiKey === undefined ? undefined : showKey(apiKey);
  const session =
    authorization === undefined ? undefined : await readSession(tokens, authorization, now);
  return { kind: "open", key, session, address: request.ip };
}

/** A key without its secret, if a text is formed as one. */
export function showKey(text: string): ShownKey | undefined {
  const key = recogniseKey(text);
  return key && { kind: key.kind, hash: key.hash.toString("hex") };
}

async function readSession(tokens: TokenSettings, authorization: string, now: number) {
  try {
    return await readToken(tokens, authorization, now);
  } catch (error) {
    if (error instanceof KnownError) return undefined;
    throw error;
  }
}

/**
 * Finds out who sends an upload, from what it showed when it came. Who can't be found out isn't taken for nobody: this fails
 * with whatever goes wrong, and the upload is kept for that in the journal or in quarantine.
 *
 * @param receivedAt Unix seconds
 */
export async function identifySender(
  deps: Pick<AuthDeps, "db">,
  credentials: Credentials,
  receivedAt: number,
): Promise<Sender> {
  const { key, kind } = credentials;
  const holder = key && (await byKey(deps, key, receivedAt));
  if (kind === "uploadKey")
    return holder?.kind === "upload-key" ? toSender(holder, "") : { kind: "unknown" };
  const { session, address } = credentials;
  const caller = holder ?? (session && (await findBySession(deps.db, session)));
  return caller && caller.kind !== "nobody" ? toSender(caller, address) : { kind: "nobody" };
}

async function byKey(
  { db }: Pick<AuthDeps, "db">,
  { kind, hash }: ShownKey,
  receivedAt: number,
): Promise<Caller | undefined> {
  return await findByKey(db, { kind, hash: Buffer.from(hash, "hex") }, receivedAt);
}

function toSender(caller: Exclude<Caller, { readonly kind: "nobody" }>, address: string): Sender {
  if (caller.kind === "upload-key")
    return { kind: "logger", loggerId: caller.loggerId, ownerId: caller.ownerId };
  const may = (scope: "upload" | "manage") =>
    caller.kind === "user" || caller.scopes.includes(scope);
  return {
    kind: "user",
    userId: caller.userId,
    admin: caller.kind === "user" && caller.admin,
    mayUpload: may("upload"),
    mayCreate: may("upload") && may("manage"),
    actor: actorOf({ caller, ip: address }),
  };
}
