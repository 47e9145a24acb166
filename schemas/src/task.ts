import { Type, type Static } from "typebox";
import { Instant, nullable } from "./fields.ts";

/** A task waits, is worked at, or is over: done, failed, or cancelled. */
export const taskStates = ["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"] as const;
export const TaskState = Type.Enum([...taskStates]);
export type TaskState = (typeof taskStates)[number];

export const TaskId = Type.String({
  pattern: "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
  description: "a UUID",
});

/** What is asked for: which kind of task, and what it is about. */
export const TaskOrder = Type.Object({
  kind: Type.String({ minLength: 1, maxLength: 50 }),
  params: Type.Unsafe<object>(Type.Object({}, { description: "as the kind wants them" })),
});

/** What a task has made, to be downloaded. */
export const TaskFile = Type.Object({
  name: Type.String(),
  media_type: Type.String(),
  size: Type.Integer({ description: "bytes" }),
  sha256: Type.String({ description: "in hexadecimal" }),
  url: Type.String({ description: "where it is downloaded, on the same host" }),
});

const AnyObject = Type.Unsafe<object>(Type.Object({}, { additionalProperties: true }));

/** Long work beside the API. */
export const Task = Type.Object({
  id: TaskId,
  kind: Type.String(),
  params: AnyObject,
  state: TaskState,
  progress: Type.Number({ description: "from 0 to 1" }),
  doing: nullable(Type.String({ description: "what is being done, for people" })),
  result: nullable(AnyObject),
  file: nullable(TaskFile),
  error: nullable(
    Type.Object({
      code: Type.String({ description: "why it failed, for programs" }),
      message: Type.String({ description: "why it failed, for people" }),
    }),
  ),
  attempts: Type.Integer({ description: "how often it was begun" }),
  created_at: Instant,
  started_at: nullable(Instant),
  finished_at: nullable(Instant),
  expires_at: nullable(Instant),
});
export type Task = Static<typeof Task>;

/** Tasks, the newest first; `before={next}` goes on. */
export const TaskList = Type.Object({ tasks: Type.Array(Task), next: nullable(Type.Integer()) });
