import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Task, TaskId, TaskList, TaskOrder, TaskState } from "@ents-backend/schemas/task";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { requirePerson, type Caller, type Person } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import { describeSchemaError } from "../lib/schema-error.ts";
import type { Owner } from "../store/files.ts";
import {
  cancelTask,
  createTask,
  deleteTask,
  getTask,
  listTasks,
  type FindSame,
  type Quota,
  type Task as StoredTask,
} from "../store/tasks.ts";
import { tryRing } from "../tasks/bell.ts";
import { findKind, type Kind } from "../tasks/kind.ts";
import { toAnswer } from "../tasks/task-answer.ts";
import { Done } from "../http/done.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { pageQuery, toPage, toLimits } from "../http/page.ts";

export type TaskDeps = Pick<ServerDeps, "db" | "bell" | "kinds" | "log" | "settings">;

const params = Type.Object({ task: TaskId });
const TasksQuery = pageQuery({
  state: Type.Optional(TaskState),
  kind: Type.Optional(Type.String({ maxLength: 50 })),
});

const invalidParams = defineError("invalid", "invalid_params", "{problem}");

/** `/tasks`: long work beside the API. Everyone sees their own. */
export const tasks: FastifyPluginAsyncTypebox<{ deps: TaskDeps }> = async (app, { deps }) => {
  const { db } = deps;

  app.post(
    "/tasks",
    {
      schema: {
        operationId: "createTask",
        summary: "Asks for long work",
        security: forPeople,
        problems: ["conflict", "not_found"],
        description: "Asks for long work: its state, and then its result, are at `Location`",
        // What a kind wants to know doesn't fit the fields of a form.
        consumes: ["application/json"],
        body: TaskOrder,
        response: { 202: Task },
      },
    },
    async ({ body, caller }, reply) => {
      const task = await orderTask(deps, caller, body);
      return reply.code(202).header("Location", `/api/tasks/${task.id}`).send(toAnswer(task));
    },
  );

  app.get(
    "/tasks",
    {
      schema: {
        operationId: "listTasks",
        summary: "One's tasks, the newest first",
        security: forPeople,
        description:
          "One's tasks, the newest first; params and results of more than 8 kB are left out: {} and null",
        querystring: TasksQuery,
        response: { 200: TaskList },
      },
    },
    async ({ query, caller }) => {
      const owner = ownerOf(requirePerson(caller, "read"));
      const rows = await listTasks(db, owner, query, toLimits(query));
      const { shown, next } = toPage(rows, query, ({ number }) => number);
      return { tasks: shown.map(toAnswer), next };
    },
  );

  app.get(
    "/tasks/:task",
    {
      schema: {
        operationId: "getTask",
        summary: "One task",
        security: forPeople,
        params,
        response: { 200: Task },
      },
    },
    async ({ params: { task }, caller }) => toAnswer(await getOwnTask(deps, caller, task)),
  );

  app.delete(
    "/tasks/:task",
    {
      schema: {
        operationId: "deleteTask",
        summary: "Cancels a task, or forgets one that is over",
        security: forPeople,
        description: "Cancels it; one that is over is forgotten, and its result goes",
        params,
        response: { 200: Done },
      },
    },
    async ({ params: { task }, caller }) => {
      const { id } = await getOwnTask(deps, caller, task);
      if (await cancelTask(db, id)) return { message: "Task cancelled" };
      await deleteTask(db, id);
      return { message: "Task deleted" };
    },
  );
};

/**
 * The caller's own task.
 *
 * @throws KnownError: 401 for nobody, 404 where it is someone else's, 403 for a key that isn't for its kind
 */
export async function getOwnTask(
  { db, kinds }: Pick<TaskDeps, "db" | "kinds">,
  caller: Caller,
  id: string,
): Promise<StoredTask> {
  if (caller.kind !== "key") return await getTask(db, ownerOf(requirePerson(caller, "read")), id);
  const task = await getTask(db, { accountId: caller.userId, origin: null }, id);
  requirePerson(caller, kinds.find(({ name }) => name === task.kind)?.scope ?? "manage");
  return task;
}

/**
 * Asks for long work.
 *
 * @throws KnownError where what is asked for can't be read, isn't the caller's to ask for, or is too much now
 */
export async function orderTask(
  deps: TaskDeps,
  caller: Caller,
  { kind: name, params: given }: Type.Static<typeof TaskOrder>,
  findSame?: FindSame,
): Promise<StoredTask> {
  const kind = findKind(deps.kinds, name);
  const { userId, admin } = requirePerson(caller, kind.scope);
  const owner = ownerOf({ userId });
  const { resultTtl_s, tasksPerUser, resultsMax_bytes } = deps.settings;
  const id = await addTask(deps, kind, given, {
    owner,
    admin,
    keep_s: resultTtl_s,
    quotas: [{ of: owner, tasks: tasksPerUser, results_bytes: resultsMax_bytes }],
    findSame,
  });
  return await getTask(deps.db, owner, id);
}

/** Whose a task is to be, and how much they may have. */
interface TaskOwner {
  readonly owner: Owner;
  readonly admin: boolean;
  readonly keep_s: number;
  readonly quotas: readonly Quota[];
  /** Finds the task that stands for it, where it was asked for before. */
  readonly findSame?: FindSame | undefined;
}

/**
 * Adds a task, and tells workers of it.
 *
 * @returns its id
 * @throws KnownError where its parameters can't be read, it isn't theirs to ask for, or is too much now
 */
export async function addTask(
  { db, bell, log }: Pick<TaskDeps, "db" | "bell" | "log">,
  kind: Kind,
  given: object,
  { owner, admin, keep_s, quotas, findSame }: TaskOwner,
): Promise<string> {
  if (!Value.Check(kind.params, given)) {
    const [error] = Value.Errors(kind.params, given);
    throw invalidParams({ problem: describeSchemaError(error, "params") });
  }
  const same = await findSame?.(db);
  if (same) return same.id;
  const asker = { userId: owner.accountId ?? undefined, admin };
  const prepared = await kind.prepare(given, asker);
  const task = { ...owner, kind: kind.name, params: prepared, asAdmin: admin, keep_s };
  const created = await createTask(db, task, quotas, findSame);
  await tryRing(bell, created, log);
  return created.id;
}

function ownerOf({ userId }: Pick<Person, "userId">): Owner {
  return { accountId: userId, origin: null };
}
