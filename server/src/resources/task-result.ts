import { Readable } from "node:stream";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { TaskId } from "@ents-backend/schemas/task";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { defineError } from "../lib/errors.ts";
import { getFile, readFile, type StoredFile } from "../store/files.ts";
import type { Task } from "../store/tasks.ts";
import { parseRange } from "../http/byte-range.ts";
import type { ServerDeps } from "../http/deps.ts";
import { hasTag } from "../http/etag.ts";
import { forPeople } from "../http/for-whom.ts";
import { getOwnTask } from "./tasks.ts";

const notDone = defineError(
  "conflict",
  "task_not_done",
  "The task isn't done yet: its result will be here once its state is SUCCESS",
);
const failed = defineError(
  "conflict",
  "task_failed",
  "The task failed, and has no result: {reason}",
);
const cancelled = defineError(
  "conflict",
  "task_cancelled",
  "The task was cancelled: it has no result",
);
const noFile = defineError("not_found", "no_result_file", "This task has no file to download");
const expired = defineError(
  "not_found",
  "result_expired",
  "The result was kept until {time}: ask for it again with a new task",
);

const noSuchRange = defineError(
  "range_not_satisfiable",
  "no_such_range",
  "The file has {size} bytes, and none of those that are asked for",
);

const params = Type.Object({ task: TaskId });
const Bytes = Type.Unsafe<Readable>({ description: "the file" });
const Unchanged = Type.Unsafe<undefined>({ type: "null", description: "`If-None-Match` names it" });

/** `/tasks/{task}/result`: downloads what a task has made, all of it or a range. */
export const taskResult: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock" | "reads" | "kinds">;
}> = async (app, { deps }) => {
  app.get(
    "/tasks/:task/result",
    {
      schema: {
        operationId: "getTaskResult",
        summary: "What a task has made, all of it or a range",
        security: forPeople,
        problems: ["conflict", "range_not_satisfiable"],
        params,
        produces: ["text/csv", "application/vnd.apache.parquet", "application/zip"],
        response: { 200: Bytes, 206: Bytes, 304: Unchanged },
      },
    },
    async (request, reply) => {
      const task = await getOwnTask(deps, request.caller, request.params.task);
      const file = await getFile(deps.db, fileOf(task, deps.clock()));
      return sendFile(deps, request, reply, file);
    },
  );
};

/** @throws KnownError where there is none, saying why */
function fileOf({ state, file_id, finished_at, expires_at, error }: Task, now: number): string {
  if (file_id !== null) return file_id;
  if (state === "PENDING" || state === "STARTED") throw notDone();
  if (state === "FAILURE") throw failed({ reason: error ?? "for an unknown reason" });
  if (state === "REVOKED") throw cancelled();
  if (expires_at && finished_at && expires_at.getTime() <= now * 1000)
    throw expired({ time: expires_at.toISOString() });
  throw noFile();
}

/** Answers a file, all of it or a range. Source: RFC 9110, 13 and 14. */
function sendFile(
  { reads }: Pick<ServerDeps, "reads">,
  { method, headers }: FastifyRequest,
  reply: FastifyReply,
  file: StoredFile,
): FastifyReply {
  const tag = `"${file.sha256.toString("base64url")}"`;
  reply.headers({
    ETag: tag,
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    Vary: "Authorization, X-API-Key",
  });
  if (hasTag(headers["if-none-match"], tag)) return reply.code(304).send();
  const ifRange = headers["if-range"];
  const range = ifRange === undefined || ifRange === tag ? headers.range : undefined;
  const part = parseRange(range, file.size);
  if (part === "none") {
    reply.header("Content-Range", `bytes */${file.size}`);
    throw noSuchRange({ size: file.size });
  }
  const { first, last } = part === "all" ? { first: 0, last: file.size - 1 } : part;
  if (part !== "all")
    reply.code(206).header("Content-Range", `bytes ${first}-${last}/${file.size}`);
  reply.type(file.media_type).headers({
    "Content-Length": last - first + 1,
    "Content-Disposition": attachment(file.name),
  });
  // Of a HEAD the framework would read the whole body to throw it away.
  if (method === "HEAD") return reply.send(Readable.from([]));
  return reply.send(Readable.from(readFile(reads, file, { first, last }), { objectMode: false }));
}

/** Has a browser save a file under its name, in ASCII for those that read no more. Source: RFC 6266. */
function attachment(name: string): string {
  const plain = name.replace(/[^\w.()+-]/g, "_");
  const whole = encodeURIComponent(name).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${whole}`;
}
