import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { nullable } from "@ents-backend/schemas/fields";
import { NewUploadKey, UploadKey } from "@ents-backend/schemas/key";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { holdManagedLogger } from "../auth/access.ts";
import { transact } from "../db/transact.ts";
import { isLoopback } from "../lib/addresses.ts";
import { newUploadKey } from "../auth/keys.ts";
import { day_s } from "../lib/duration.ts";
import { recordDeed } from "../store/audit.ts";
import { createUploadKey, deleteUploadKeys } from "../store/upload-keys.ts";
import { Done } from "../http/done.ts";
import { actorOf } from "../http/caller.ts";
import type { Door } from "../http/door.ts";
import { forPeople } from "../http/for-whom.ts";
import type { KeyDeps } from "./keys.ts";
import { LoggerParameter } from "./loggers.ts";
import { showKey } from "../http/sender.ts";
import { formatOfUpload } from "./sensor.ts";
import { anyUpload, nodeAnswers } from "../http/upload-schemas.ts";

interface UploadKeyDeps extends KeyDeps {
  readonly settings: { readonly publicUrl: string };
}

/** Characters of a node's setting for where it uploads, scheme, host, port and path together. */
const longestNodeUrl = 64;

const LoggerParams = Type.Object({ logger: LoggerParameter });

/** `/logger/{id}/upload-key`: the key with which a logger uploads, and does nothing else. */
export const uploadKeys: FastifyPluginAsyncTypebox<{ deps: UploadKeyDeps }> = async (
  app,
  { deps },
) => {
  app.post(
    "/logger/:logger/upload-key",
    {
      schema: {
        operationId: "createUploadKey",
        summary: "Makes a logger's upload key, which is shown this once",
        security: forPeople,
        params: LoggerParams,
        // There is nothing that must be said.
        body: nullable(NewUploadKey),
        response: { 201: UploadKey },
      },
    },
    async (request, reply) => {
      const overlap_s = request.body?.overlap_s ?? day_s;
      const { key, previousEnd } = await makeUploadKey(
        deps,
        request,
        request.params.logger,
        overlap_s,
      );
      return reply.code(201).send({
        upload_key: key,
        ...urlOf(deps.settings.publicUrl, key),
        previous_ends_at: previousEnd?.toISOString() ?? null,
      });
    },
  );

  app.delete(
    "/logger/:logger/upload-key",
    {
      schema: {
        operationId: "deleteUploadKeys",
        summary: "Ends a logger's upload keys",
        security: forPeople,
        params: LoggerParams,
        response: { 200: Done },
      },
    },
    async (request) => {
      await transact(deps.db, async (transaction) => {
        const { logger } = request.params;
        const { id } = await holdManagedLogger(transaction, request.caller, logger);
        await deleteUploadKeys(transaction, id);
        await recordDeed(transaction, toDeed(deps, request, "delete", id));
      });
      return { message: "Upload keys deleted" };
    },
  );
};

/** `/u/{key}`, beside the API: where a node uploads that can be told no more than a URL. */
export const keyDoor: Door = {
  url: "/u/:key",
  described: {
    operationId: "uploadByKey",
    summary: "Uploads with the key of a logger",
    takes: anyUpload,
    answers: nodeAnswers,
  },
  formatOf: formatOfUpload,
  credentialsOf: ({ params }) => ({
    kind: "uploadKey",
    key: showKey((params as { key: string }).key),
  }),
};

async function makeUploadKey(
  deps: UploadKeyDeps,
  request: FastifyRequest,
  logger: number,
  overlap_s: number,
): Promise<{ key: string; previousEnd: Date | undefined }> {
  const key = newUploadKey();
  return await transact(deps.db, async (transaction) => {
    const { id: loggerId } = await holdManagedLogger(transaction, request.caller, logger);
    const previousEnd = await createUploadKey(transaction, loggerId, key, deps.clock(), overlap_s);
    await recordDeed(transaction, toDeed(deps, request, "create", loggerId, { overlap_s }));
    return { key, previousEnd };
  });
}

function toDeed(
  { clock }: KeyDeps,
  request: FastifyRequest,
  action: "create" | "delete",
  loggerId: number,
  details: object = {},
) {
  return {
    at: clock(),
    actor: actorOf(request),
    action,
    objectType: "upload_key" as const,
    objectId: String(loggerId),
    details,
  };
}

/** The URL that a node uploads to, without TLS, which nodes don't have; and whether they have room for it. */
function urlOf(publicUrl: string, key: string): { upload_url: string; warning?: string } {
  const { protocol, host, hostname } = new URL(publicUrl);
  // Nodes have no TLS, and a port that speaks it doesn't speak HTTP: a proxy takes these at port 80.
  const upload_url = `http://${protocol === "https:" ? hostname : host}/u/${key}`;
  if (isLoopback(hostname.replace(/^\[|\]$/g, "")) || hostname === "localhost") {
    const warning = `a node can't reach ${hostname}: PUBLIC_URL is to say by which name or address it finds this server`;
    return { upload_url, warning };
  }
  if (upload_url.length <= longestNodeUrl) return { upload_url };
  const warning = `upload_url has ${upload_url.length} characters, and a node's setting holds ${longestNodeUrl}: give the server a shorter name, or send the key as X-API-Key`;
  return { upload_url, warning };
}
