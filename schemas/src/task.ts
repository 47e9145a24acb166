import { Type, type Static } from "typebox";
import { Instant, nullable, Uuid } from "./fields.ts";

/** A task waits, is worked at, or is over: done, failed, or cancelled. */
const taskStates = ["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"] as const;
export const TaskState = Type.Enum([...taskStates], { title: "TaskState" });
export type TaskState = (typeof taskStates)[number];

export const TaskId = Uuid;

/** What is asked for: which kind of task, and what it is about. */
export const TaskOrder = Type.Object(
  {
    kind: Type.String({ minLength: 1, maxLength: 50 }),
    params: Type.Unsafe<object>(
      Type.Object({}, { additionalProperties: true, description: "as the kind wants them" }),
    ),
  },
  { title: "TaskOrder", examples: [{ kind: "export", params: { cells: [1], format: "csv" } }] },
);

/** What a task has made, to be downloaded. */
const TaskFile = Type.Object(
  {
    name: Type.String(),
    media_type: Type.String(),
    size: Type.Integer({ description: "bytes" }),
    sha256: Type.String({ description: "in hexadecimal" }),
    url: Type.String({ description: "where it is downloaded, on the same host" }),
  },
  { title: "TaskFile" },
);

const AnyObject = Type.Unsafe<object>(Type.Object({}, { additionalProperties: true }));

/** Long work beside the API. */
export const Task = Type.Object(
  {
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
  },
  {
    title: "Task",
    examples: [
      {
        id: "0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11",
        kind: "export",
        params: { cells: [1], format: "csv" },
        state: "STARTED",
        progress: 0.42,
        doing: "writing",
        result: null,
        file: null,
        error: null,
        attempts: 1,
        created_at: "2024-01-16T12:00:00.000Z",
        started_at: "2024-01-16T12:00:00.000Z",
        finished_at: null,
        expires_at: null,
      },
    ],
  },
);
export type Task = Static<typeof Task>;

/** Tasks, the newest first; `before={next}` goes on. */
export const TaskList = Type.Object(
  { tasks: Type.Array(Task), next: nullable(Type.Integer()) },
  { title: "TaskList" },
);
