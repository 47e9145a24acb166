import multipart from "@fastify/multipart";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Import, ImportFields, ImportReport } from "@ents-backend/schemas/import";
import { TaskId } from "@ents-backend/schemas/task";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { requirePerson, type Caller } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import { Slots } from "../lib/slots.ts";
import { deleteFile } from "../store/files.ts";
import { findRunOf } from "../store/imports.ts";
import { cancelTask, deleteTask, type Task } from "../store/tasks.ts";
import { toAnswer } from "../tasks/task-answer.ts";
import { Done } from "../http/done.ts";
import { forPeople } from "../http/for-whom.ts";
import { formLimits, takeUpload } from "./import-upload.ts";
import { inSlot } from "../http/slot.ts";
import { getOwnTask, orderTask, type TaskDeps } from "./tasks.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether what a route takes may be so large that it takes long to arrive. */
    readonly slow?: boolean;
  }
}

const params = Type.Object({ import: TaskId });
const Sent = Type.Object({
  file: Type.Array(Type.String({ format: "binary" }), { minItems: 1 }),
  ...ImportFields.properties,
});
const tooManyUploads = defineError(
  "too_many_requests",
  "too_many_uploads",
  "files of yours are arriving, or of too many others: send these when they are there",
);
const importNotFound = defineError("not_found", "import_not_found", "There is no such import");

/** `/imports`: files are sent and looked at, and then imported. Everyone sees their own. */
export const imports: FastifyPluginAsyncTypebox<{ deps: TaskDeps }> = async (app, { deps }) => {
  const { db, settings } = deps;
  const slots = new Slots({ count: 8, mostWaiting: 0, mostWaitingEach: 0 });
  await app.register(multipart, { limits: { ...formLimits, fileSize: Infinity } });

  app.post(
    "/imports",
    {
      config: { slow: true },
      schema: {
        operationId: "createImport",
        summary: "Sends files, to be looked at",
        security: forPeople,
        problems: ["conflict", "not_found"],
        description:
          "Takes files (multipart/form-data; fields cell, logger, format, mapping, vwc_unit) and looks at what they hold: " +
          "the report comes at `Location`, and nothing is stored before `/run`",
        takes: { "multipart/form-data": Sent },
        response: { 202: Import },
      },
    },
    async (request, reply) => {
      const { userId } = requirePerson(request.caller, "upload");
      const limits = {
        db,
        userId,
        max_bytes: settings.importMax_bytes,
        kept_bytes: settings.resultsMax_bytes,
        keep_s: settings.resultTtl_s,
        diskOf: settings.diskOf,
      };
      // One of theirs at a time, so that what they have sent is counted before they send more.
      const take = async () => await takeUpload(request, limits);
      const { files, fields } = await inSlot(slots, userId, reply, tooManyUploads, take);
      try {
        const order = { kind: "import-preview", params: { files, ...fields } };
        const preview = await orderTask(deps, request.caller, order);
        return reply
          .code(202)
          .header("Location", `/api/imports/${preview.id}`)
          .send(describe(preview, undefined));
      } catch (error) {
        for (const file of files) await deleteFile(db, file);
        throw error;
      }
    },
  );

  app.get(
    "/imports/:import",
    {
      schema: {
        operationId: "getImport",
        summary: "What files hold, and what became of them",
        security: forPeople,
        params,
        response: { 200: Import },
      },
    },
    async ({ params: { import: id }, caller }) => {
      const preview = await getPreview(deps, caller, id);
      return describe(preview, await findRun(deps, caller, id));
    },
  );

  app.post(
    "/imports/:import/run",
    {
      schema: {
        operationId: "runImport",
        summary: "Imports what was looked at",
        security: forPeople,
        problems: ["conflict"],
        description: "Imports what the preview has shown; one that is under way or done goes on",
        params,
        response: { 202: Import },
      },
    },
    async ({ params: { import: id }, caller }, reply) => {
      const preview = await getPreview(deps, caller, id);
      const order = { kind: "import", params: { preview: id } };
      const run = await orderTask(deps, caller, order, async (transaction) => {
        const earlier = await findRunOf(transaction, id);
        return earlier && !endedInVain(earlier) ? earlier : undefined;
      });
      return reply.code(202).header("Location", `/api/imports/${id}`).send(describe(preview, run));
    },
  );

  app.delete(
    "/imports/:import",
    {
      schema: {
        operationId: "deleteImport",
        summary: "Stops an import, and forgets its files",
        security: forPeople,
        description: "Stops what is under way, and forgets the files; what is imported stays",
        params,
        response: { 200: Done },
      },
    },
    async ({ params: { import: id }, caller }) => {
      const preview = await getPreview(deps, caller, id);
      const run = await findRun(deps, caller, id);
      for (const task of [run, preview]) if (task) await forget(deps, task);
      return { message: "Import deleted" };
    },
  );
};

/** @throws KnownError (404) where there is none, or it isn't the caller's */
async function getPreview(deps: TaskDeps, caller: Caller, id: string): Promise<Task> {
  const task = await getOwnTask(deps, caller, id);
  if (task.kind !== "import-preview") throw importNotFound();
  return task;
}

async function findRun(deps: TaskDeps, caller: Caller, id: string): Promise<Task | undefined> {
  const run = await findRunOf(deps.db, id);
  return run && (await getOwnTask(deps, caller, run.id));
}

async function forget({ db }: TaskDeps, { id }: Task): Promise<void> {
  await cancelTask(db, id);
  await deleteTask(db, id);
}

function endedInVain({ state }: Pick<Task, "state">): boolean {
  return state === "FAILURE" || state === "REVOKED";
}

function describe(preview: Task, run: Task | undefined): Import {
  // Until a run has its own report, the preview's says what it will do; it says nothing of what one has done that broke off.
  const result = run && endedInVain(run) ? null : (run?.result ?? preview.result);
  return {
    id: preview.id,
    preview: toAnswer(preview),
    run: run ? toAnswer(run) : null,
    report: Value.Check(ImportReport, result) ? result : null,
  };
}
