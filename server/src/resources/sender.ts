import type { FastifyRequest } from "fastify";
import { authenticate, type AuthDeps } from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import { isUploadKey } from "../auth/keys.ts";
import { isDatabaseAway } from "../db/connect.ts";
import type { Sender } from "../ingest/uplink.ts";
import type { Clock } from "../lib/clock.ts";
import { KnownError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Actor } from "../store/audit.ts";
import { findUploadKey } from "../store/upload-keys.ts";
import { actorOf, credentialsOf } from "./caller.ts";

export interface SenderDeps extends AuthDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Finds out who sends an upload, of what its headers show: what is no good is passed over, since an open cell
 * takes the upload all the same. It is kept in any case, so this doesn't fail but for the database's absence.
 */
export async function findSender(deps: SenderDeps, request: FastifyRequest): Promise<Sender> {
  const { authorization, apiKey } = credentialsOf(request);
  const shown = [
    { authorization: undefined, apiKey },
    { authorization, apiKey: undefined },
  ];
  for (const credentials of shown) {
    const caller = await leniently(deps, async () => authenticate(deps, credentials, deps.clock()));
    if (caller && caller.kind !== "nobody")
      return toSender(caller, actorOf({ caller, ip: request.ip }));
  }
  return { kind: "nobody" };
}

/** Finds out which logger has an upload key. */
export async function findHolder(deps: SenderDeps, key: string): Promise<Sender> {
  if (!isUploadKey(key)) return { kind: "unknown" };
  const found = await leniently(deps, async () => findUploadKey(deps.db, key, deps.clock()));
  return found ? { kind: "logger", ...found } : { kind: "unknown" };
}

async function leniently<Found>(
  { log }: SenderDeps,
  find: () => Promise<Found>,
): Promise<Found | undefined> {
  try {
    return await find();
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    if (!(error instanceof KnownError))
      log.error({ err: error }, "who sends an upload is not known");
    return undefined;
  }
}

function toSender(caller: Exclude<Caller, { readonly kind: "nobody" }>, actor: Actor): Sender {
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
    actor,
  };
}
