import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import {
  ReplayCounts,
  ReplayOrder,
  Stored,
  UploadList,
  UploadParameter,
  WholeUpload,
} from "@ents-backend/schemas/quarantine";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { requirePerson, type Person } from "../auth/caller.ts";
import { discard } from "../ingest/discard.ts";
import { replayMany } from "../ingest/replay-many.ts";
import { replay, type Replayer } from "../ingest/replay.ts";
import { defineError } from "../lib/errors.ts";
import { readTime } from "../lib/time-parameter.ts";
import { Slots } from "../lib/slots.ts";
import {
  getQuarantined,
  listQuarantined,
  listQuarantinedIds,
  uploadNotFound,
} from "../store/quarantine-list.ts";
import { Done } from "../http/done.ts";
import { actorOf } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { pageQuery, toPage, toLimits } from "../http/page.ts";
import { tellReason, toUpload, toWholeUpload } from "./quarantine-answer.ts";
import { inSlot } from "../http/slot.ts";

type Deps = Pick<ServerDeps, "db" | "clock" | "log" | "settings">;

const params = Type.Object({ upload: UploadParameter });
const UploadsQuery = pageQuery({
  code: Type.Optional(Type.String({ maxLength: 100 })),
  cell: Type.Optional(
    Type.String({ maxLength: 100, description: "a cell's number or name; it need not exist" }),
  ),
  since: Type.Optional(
    Type.String({ description: "received then or later: RFC 1123, ISO 8601 or Unix seconds" }),
  ),
});

/** Uploads that one call replays at most, and for how long it goes on. */
const mostReplays = 500;
const longestReplay_ms = 10_000;

const tooManyReplays = defineError(
  "too_many_requests",
  "too_many_replays",
  "others are replaying uploads: try again soon",
);
const nothingToReplay = defineError(
  "invalid",
  "nothing_to_replay",
  "say which uploads: ids, code, cell, or code and cell",
);

/**
 * `/quarantine`: uploads that could not be placed. Admins see all; others what they sent, by their own keys or their
 * loggers', and what is for cells that are all theirs. Who sees one may replay it, with the rights they have, or
 * discard it.
 */
export const quarantine: FastifyPluginAsyncTypebox<{ deps: Deps }> = async (app, { deps }) => {
  const { db } = deps;
  // One at a time, whoever asks: uploads go first.
  const slots = new Slots({ count: 1, mostWaiting: 20, mostWaitingEach: 1 });

  app.get(
    "/quarantine",
    {
      schema: {
        operationId: "listUploads",
        summary: "Uploads that could not be placed, the newest first",
        security: forPeople,
        description: "Uploads that could not be placed, the newest first",
        querystring: UploadsQuery,
        response: { 200: UploadList },
      },
    },
    async ({ query, caller }) => {
      const person = requirePerson(caller, "manage");
      const { code, cell, since } = query;
      const wanted = { code, cell, since: readTime(["since", since]) };
      const rows = await listQuarantined(db, person, wanted, toLimits(query));
      const { shown, next } = toPage(rows, query, ({ id }) => id);
      return { uploads: shown.map((row) => toUpload(row, person)), next };
    },
  );

  app.get(
    "/quarantine/:upload",
    {
      schema: {
        operationId: "getUpload",
        summary: "One of them, with its bytes and what they say",
        security: forPeople,
        description: "One of them, with its headers, its bytes and what they say",
        params,
        response: { 200: WholeUpload },
      },
      // A message may hold thousands of measurements: the schema's serialiser would block uploads.
      serializerCompiler: () => JSON.stringify,
    },
    async ({ params: { upload }, caller }) => {
      const person = requirePerson(caller, "manage");
      return toWholeUpload(await getQuarantined(db, person, upload), person);
    },
  );

  app.post(
    "/quarantine/:upload/replay",
    {
      schema: {
        operationId: "replayUpload",
        summary: "Takes one in again",
        security: forPeople,
        problems: ["conflict"],
        description:
          "Stores it as of the time at which it came, or answers why it is still refused",
        params,
        response: { 200: Stored },
      },
    },
    async (request) => {
      const person = requirePerson(request.caller, "manage");
      const upload = await getQuarantined(db, person, request.params.upload);
      const replayed = await replay(deps, upload, replayerOf(request, person, true));
      if ("refused" in replayed) throw replayed.error;
      return { message: "The upload is stored, and has left quarantine", ...replayed.written };
    },
  );

  app.post(
    "/quarantine/replay",
    {
      schema: {
        operationId: "replayUploads",
        summary: "Takes many in again",
        security: forPeople,
        description: `Replays up to ${mostReplays} uploads, the oldest first`,
        body: ReplayOrder,
        response: { 200: ReplayCounts },
      },
    },
    async (request, reply) => {
      const person = requirePerson(request.caller, "manage");
      const replayer = replayerOf(request, person, isByName(request.body));
      const act = () => replayOrdered(deps, request.body, person, replayer);
      return await inSlot(slots, person.userId, reply, tooManyReplays, act);
    },
  );

  app.delete(
    "/quarantine/:upload",
    {
      schema: {
        operationId: "discardUpload",
        summary: "Discards one for good",
        security: forPeople,
        description: "Discards it for good",
        params,
        response: { 200: Done },
      },
    },
    async (request) => {
      const person = requirePerson(request.caller, "manage");
      const { id } = await getQuarantined(db, person, request.params.upload);
      if (!(await discard(db, id, actorOf(request), deps.clock()))) throw uploadNotFound();
      return { message: "Upload discarded" };
    },
  );
};

async function replayOrdered(
  deps: Deps,
  order: ReplayOrder,
  person: Person,
  replayer: Replayer,
): Promise<Type.Static<typeof ReplayCounts>> {
  const ids = await listOrdered(deps, order, person);
  const batch = ids.slice(0, mostReplays);
  const end = performance.now() + longestReplay_ms;
  const isOver = () => performance.now() > end;
  const { counts, stoppedAfter } = await replayMany(deps, {
    ids: batch,
    reader: person,
    replayer,
    isOver,
  });
  const next = stoppedAfter ?? (ids.length > batch.length ? batch.at(-1)! : null);
  const still_refused = counts.still_refused.map((refused) => ({
    ...refused,
    reason: tellReason(refused, person),
  }));
  return { ...counts, still_refused, next };
}

/** The numbers of the uploads that are wanted, the oldest first: one more than are replayed, where there are more. */
async function listOrdered(
  { db }: Deps,
  { ids, code, cell, after }: ReplayOrder,
  person: Person,
): Promise<number[]> {
  if (ids) return [...new Set(ids)].filter((id) => id > (after ?? 0)).sort((a, b) => a - b);
  const filter = { code: code ?? undefined, cell: cell?.toString() };
  if (filter.code === undefined && filter.cell === undefined) throw nothingToReplay();
  return await listQuarantinedIds(db, person, filter, {
    after: after ?? undefined,
    limit: mostReplays + 1,
  });
}

/** Whether uploads are asked for by their numbers, or by the cell that they name. */
function isByName({ ids, cell }: ReplayOrder): boolean {
  return (ids ?? cell ?? undefined) !== undefined;
}

/** @param mayCreate whether a cell or logger that an upload names is made where it isn't there: not for whatever came */
function replayerOf(
  request: FastifyRequest,
  { userId, admin }: Person,
  mayCreate: boolean,
): Replayer {
  const may = { mayUpload: true, mayCreate };
  return { kind: "user", userId, admin, ...may, actor: actorOf(request) };
}
