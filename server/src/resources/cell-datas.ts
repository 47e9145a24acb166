import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { TaskId } from "@ents-backend/schemas/task";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { formatIso } from "../lib/time.ts";
import { networkOf } from "../lib/network.ts";
import { getFile, readFile } from "../store/files.ts";
import { getTask, type Quota, type Task } from "../store/tasks.ts";
import { resamples } from "../timeseries/resample.ts";
import { findKind } from "../tasks/kind.ts";
import { sendJson } from "../http/columnar.ts";
import { compressed } from "../http/compression.ts";
import type { ServerDeps } from "../http/deps.ts";
import { EndTime, StartTime, toRange } from "../http/query.ts";
import { parseCells } from "../http/sought.ts";
import { addTask } from "./tasks.ts";

type Deps = Pick<ServerDeps, "db" | "reads" | "bell" | "kinds" | "log" | "clock">;

/** What strangers may have, since nobody knows who they are: from one address, and all together. */
const perAddress = { tasks: 2, results_bytes: 200_000_000 };
const together = { tasks: 20, results_bytes: 2_000_000_000 };
const keep_s = 3600;

const DatasQuery = Type.Object({
  cellIds: Type.String({
    maxLength: 2_000,
    description: "Numbers of cells: 1,2",
    examples: ["1,2"],
  }),
  resample: Type.Optional(
    Type.Enum([...resamples], { description: "Mean of each …; default: hour" }),
  ),
  startTime: StartTime,
  endTime: EndTime,
});
const Started = Type.Object({ result_id: TaskId }, { title: "StartedExport" });
const Status = Type.Object(
  {
    state: Type.Enum(["PENDING", "SUCCESS", "FAILURE"]),
    status: Type.String({ description: "on success the CSV, otherwise a sentence" }),
  },
  { title: "ExportStatus" },
);

/** `/cell/datas` and `/status/{task}`: exports as older clients ask for them, of public cells, without an account. */
export const cellDatas: FastifyPluginAsyncTypebox<{ deps: Deps }> = async (app, { deps }) => {
  app.get(
    "/cell/datas",
    {
      schema: {
        operationId: "startCsvExport",
        summary: "Starts an export of public cells as CSV, as older clients do",
        problems: ["not_found"],
        description: "Starts an export as CSV, whose state is at /status/{result_id}",
        querystring: DatasQuery,
        response: { 200: Started },
      },
      config: { anyone: true },
    },
    async ({ query, ip }) => {
      const { cellIds, resample = "hour", startTime, endTime } = query;
      const range = toRange(["startTime", startTime], ["endTime", endTime], deps.clock());
      const params = {
        cells: parseCells(cellIds),
        start: formatIso(range.start),
        end: formatIso(range.end),
        resample,
        format: "csv",
      };
      const origin = createHash("sha256")
        .update(`task ${networkOf(ip)}`)
        .digest("base64url");
      const owner = { accountId: null, origin };
      const quotas: Quota[] = [
        { of: owner, ...perAddress },
        { of: "strangers", ...together },
      ];
      const kind = findKind(deps.kinds, "export");
      return {
        result_id: await addTask(deps, kind, params, { owner, admin: false, keep_s, quotas }),
      };
    },
  );

  app.get(
    "/status/:task",
    {
      ...compressed,
      schema: {
        operationId: "getCsvExport",
        summary: "How far such an export is, and then the CSV itself",
        description: "How far that is, and then the CSV itself",
        params: Type.Object({ task: TaskId }),
        response: { 200: Status, 500: Status },
      },
      config: { anyone: true },
    },
    async ({ params: { task: id } }, reply) =>
      await sendStatus(deps, reply, await getTask(deps.db, "strangers", id)),
  );
};

async function sendStatus(
  { db, reads }: Deps,
  reply: FastifyReply,
  { state, file_id, doing, error }: Task,
): Promise<FastifyReply> {
  if (state === "PENDING" || state === "STARTED")
    return reply.send({ state: "PENDING", status: doing ?? "waiting" });
  if (file_id === null) {
    const status = error ?? "the result is no longer kept: ask for it again";
    return reply.code(500).send({ state: "FAILURE", status });
  }
  const file = await getFile(db, file_id);
  return sendJson(reply, Readable.from(writeStatus(readFile(reads, file)), { highWaterMark: 2 }));
}

/** The answer with the file as one JSON text, a piece at a time. */
async function* writeStatus(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  yield '{"state":"SUCCESS","status":"';
  for await (const piece of pieces) yield inJson(decoder.decode(piece, { stream: true }));
  yield `${inJson(decoder.decode())}"}`;
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
