import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { OnlyKey } from "@ents-backend/schemas/key";
import { requireUser, scopes } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { defineError, KnownError } from "../lib/errors.ts";
import { listApiKeys, type ApiKey } from "../store/api-keys.ts";
import { Done } from "../http/done.ts";
import { forUsers } from "../http/for-whom.ts";
import { forgetKey, makeKey, type KeyDeps } from "./keys.ts";

/** What the key is called that has no name here. */
const name = "default";

const keyExists = defineError(
  "conflict",
  "key_exists",
  "API key already exists. Delete existing key before creating a new one.",
);
const noKey = defineError("not_found", "key_not_found", "No API key found");

/** `/apikey`: the one key of a user that older clients know of; it may do all that keys may do. */
export const apiKey: FastifyPluginAsyncTypebox<{ deps: KeyDeps }> = async (app, { deps }) => {
  app.get(
    "/apikey",
    {
      schema: {
        operationId: "getOnlyKey",
        summary: "The key named default, as it is shown",
        security: forUsers,
        response: { 200: OnlyKey },
      },
    },
    async ({ caller }) => {
      const key = await findOnlyKey(deps.db, requireUser(caller).userId);
      return { api_key: key ? `${key.prefix}…` : null };
    },
  );

  app.post(
    "/apikey",
    {
      schema: {
        operationId: "makeOnlyKey",
        summary: "Makes the key named default, with all scopes",
        security: forUsers,
        problems: ["conflict"],
        response: { 201: OnlyKey },
      },
    },
    async (request, reply) => {
      const { key } = await makeKey(deps, request, { name, scopes, expiresAt: null }).catch(
        sayThatItExists,
      );
      return reply.code(201).send({ api_key: key });
    },
  );

  app.delete(
    "/apikey",
    {
      schema: {
        operationId: "deleteOnlyKey",
        summary: "Deletes the key named default",
        security: forUsers,
        problems: ["not_found"],
        response: { 200: Done },
      },
    },
    async (request) => {
      const key = await findOnlyKey(deps.db, requireUser(request.caller).userId);
      if (!key) throw noKey();
      await forgetKey(deps, request, key.id);
      return { message: "API key deleted" };
    },
  );
};

async function findOnlyKey(db: Db, userId: string): Promise<ApiKey | undefined> {
  const keys = await listApiKeys(db, userId);
  return keys.find((key) => key.name.toLowerCase() === name);
}

function sayThatItExists(error: unknown): never {
  throw error instanceof KnownError && error.kind === "conflict" ? keyExists() : error;
}
