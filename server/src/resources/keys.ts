import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { CreatedKey, Key, NewKey } from "@ents-backend/schemas/key";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { holdSession } from "../auth/accounts.ts";
import { requireUser, type Scope } from "../auth/caller.ts";
import { newApiKey, shownLength } from "../auth/keys.ts";
import type { Db } from "../db/connect.ts";
import type { Clock } from "../lib/clock.ts";
import { defineError } from "../lib/errors.ts";
import { parseTime } from "../lib/time.ts";
import { createApiKey, deleteApiKey, listApiKeys, type ApiKey } from "../store/api-keys.ts";
import { recordDeed } from "../store/audit.ts";
import { Done } from "../http/done.ts";
import { actorOf } from "../http/caller.ts";
import { forUsers } from "../http/for-whom.ts";

export interface KeyDeps {
  readonly db: Db;
  readonly clock: Clock;
}

interface Wish {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
}

/** A key's number in a path; see CellParameter on why it isn't an integer. */
const KeyParams = Type.Object({
  key: Type.Number({
    minimum: 1,
    maximum: 2 ** 31 - 1,
    multipleOf: 1,
    description: "a key's number",
    examples: [1],
  }),
});

const badExpiry = defineError(
  "invalid",
  "invalid_expiry",
  "expires_at must be a time to come, in ISO 8601 (2030-01-31T12:00:00Z)",
);

/** `/keys`: a user's keys. Logged-in users only: a key must not make another that outlives it. */
export const keys: FastifyPluginAsyncTypebox<{ deps: KeyDeps }> = async (app, { deps }) => {
  app.get(
    "/keys",
    {
      schema: {
        operationId: "listKeys",
        summary: "One's keys",
        security: forUsers,
        response: { 200: Type.Array(Key) },
      },
    },
    async ({ caller }) => {
      const all = await listApiKeys(deps.db, requireUser(caller).userId);
      return all.map(toAnswer);
    },
  );

  app.post(
    "/keys",
    {
      schema: {
        operationId: "createKey",
        summary: "Makes a key, which is shown this once",
        security: forUsers,
        problems: ["conflict"],
        body: NewKey,
        response: { 201: CreatedKey },
      },
    },
    async (request, reply) => {
      const { name, scopes, expires_at } = request.body;
      requireUser(request.caller);
      const expiresAt = readExpiry(expires_at, deps.clock());
      const made = await makeKey(deps, request, { name, scopes: [...new Set(scopes)], expiresAt });
      return reply.code(201).send({ ...toAnswer(made), key: made.key });
    },
  );

  app.delete(
    "/keys/:key",
    {
      schema: {
        operationId: "deleteKey",
        summary: "Ends a key at once",
        security: forUsers,
        params: KeyParams,
        response: { 200: Done },
      },
    },
    async (request) => {
      await forgetKey(deps, request, request.params.key);
      return { message: "API key deleted" };
    },
  );
};

/** Makes a key of the logged-in user; the only moment at which it is known. @throws KnownError */
export async function makeKey(
  { db, clock }: KeyDeps,
  request: FastifyRequest,
  { name, scopes, expiresAt }: Wish,
): Promise<ApiKey & { readonly key: string }> {
  const { userId, sessionId } = requireUser(request.caller);
  const [key, now] = [newApiKey(), clock()];
  return await db.transaction().execute(async (transaction) => {
    await holdSession(transaction, sessionId, userId);
    const wish = { userId, name, key, shownLength, scopes, now, expiresAt };
    const made = await createApiKey(transaction, wish);
    await recordDeed(transaction, {
      at: now,
      actor: actorOf(request),
      action: "create",
      objectType: "key",
      objectId: String(made.id),
      details: { name: made.name, scopes, expires_at: expiresAt },
    });
    return { ...made, key };
  });
}

/** Deletes a key of the logged-in user. @throws KnownError when they have no such key */
export async function forgetKey(
  { db, clock }: KeyDeps,
  request: FastifyRequest,
  id: number,
): Promise<void> {
  const { userId } = requireUser(request.caller);
  await db.transaction().execute(async (transaction) => {
    await deleteApiKey(transaction, userId, id);
    await recordDeed(transaction, {
      at: clock(),
      actor: actorOf(request),
      action: "delete",
      objectType: "key",
      objectId: String(id),
    });
  });
}

function readExpiry(text: string | null | undefined, now: number): Date | null {
  if (text === undefined || text === null) return null;
  const seconds = parseTime(text);
  if (seconds === undefined || seconds <= now) throw badExpiry();
  return new Date(seconds * 1000);
}

function toAnswer({ created_at, expires_at, last_used_at, ...key }: ApiKey): Key {
  return {
    ...key,
    scopes: key.scopes as Scope[],
    created_at: created_at.toISOString(),
    expires_at: expires_at?.toISOString() ?? null,
    last_used_at: last_used_at?.toISOString() ?? null,
  };
}
