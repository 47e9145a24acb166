import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { Type } from "typebox";
import { expect } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import { defineError } from "../../src/lib/errors.ts";
import { createTask, getTask, type Task } from "../../src/store/tasks.ts";
import { getFile, readFile, type Owner } from "../../src/store/files.ts";
import { tryRing, type Bell } from "../../src/tasks/bell.ts";
import { defineKind, type Kinds, type Work } from "../../src/tasks/kind.ts";
import { silentLog } from "./log.ts";

const notEven = defineError("invalid", "not_even", "{to} isn't even");
const mayNot = defineError("not_found", "nothing_there", "There is nothing for you to count");

/** Long work that is easy to check: it counts, a line for each number, at some speed. */
export const testKinds: Kinds = [
  defineKind({
    name: "count",
    scope: "read",
    params: Type.Object({
      to: Type.Integer({ minimum: 0 }),
      pause_ms: Type.Optional(Type.Integer()),
      even: Type.Optional(Type.Boolean()),
    }),
    async prepare(params) {
      return { even: false, ...params };
    },
    async run({ to, pause_ms = 0, even }, work) {
      if (even && to % 2 === 1) throw notEven({ to });
      const file = { name: `up to ${to} – “häl”.txt`, mediaType: "text/plain; charset=utf-8" };
      const { size } = await work.writeFile(file, count(to, pause_ms, work));
      return { lines: to, bytes: size };
    },
  }),
  defineKind({
    name: "members only",
    scope: "manage",
    params: Type.Object({}),
    async prepare(params, { admin }) {
      if (!admin) throw mayNot();
      return params;
    },
    async run() {
      return { done: true };
    },
  }),
  defineKind({
    name: "fault",
    scope: "read",
    params: Type.Object({}),
    async prepare(params) {
      return params;
    },
    async run() {
      throw new Error("a secret of the server");
    },
  }),
  defineKind({
    name: "deadly",
    scope: "read",
    params: Type.Object({}),
    async prepare(params) {
      return params;
    },
    async run() {
      process.kill(process.pid, "SIGKILL");
      return undefined;
    },
  }),
];

async function* count(to: number, pause_ms: number, work: Work): AsyncGenerator<Buffer> {
  for (let at = 1; at <= to; at += 1) {
    if (pause_ms > 0) await sleep(pause_ms, undefined, { signal: work.signal });
    work.report(at / to, `counting ${at}`);
    yield Buffer.from(`${at}\n`);
  }
}

/** What the kind `count` makes. */
export function counted(to: number): string {
  return Array.from({ length: to }, (_, at) => `${at + 1}\n`).join("");
}

export const anyone: Owner = { accountId: null, origin: "a test" };

/** Asks for a task, as nobody in particular; answers its id. */
export async function ask(
  db: Db,
  bell: Bell | undefined,
  kind: string,
  params: object = {},
): Promise<string> {
  const task = { ...anyone, kind, params, asAdmin: false, keep_s: 3600 };
  const quota = { of: anyone, tasks: 1000, results_bytes: 1e9 };
  const created = await createTask(db, task, [quota]);
  if (bell) await tryRing(bell, created, silentLog);
  return created.id;
}

/** Waits until a task is in a state. */
export async function untilState(
  db: Db,
  id: string,
  state: Task["state"],
  timeout = 20_000,
): Promise<Task> {
  const now = async () => {
    const task = await getTask(db, "strangers", id);
    return `${task.state} ${task.state === state ? "" : (task.error ?? "")}`.trim();
  };
  await expect.poll(now, { timeout, interval: 20 }).toBe(state);
  return await getTask(db, "strangers", id);
}

/** What a task has made, as text. */
export async function resultOf(db: Db, { file_id }: Pick<Task, "file_id">): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of readFile(db, await getFile(db, file_id ?? ""))) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** How many files there are, and chunks of files. */
export async function countFiles(db: Db): Promise<{ files: number; chunks: number }> {
  const { rows } = await sql<{ files: number; chunks: number }>`
    select (select count(*) from file) as files, (select count(*) from file_chunk) as chunks`.execute(
    db,
  );
  return rows[0]!;
}

const script = fileURLToPath(new URL("work.ts", import.meta.url));

/** A worker in a process of its own, which may be killed. */
export async function startWorker(databaseUrl: string, redisUrl?: string): Promise<ChildProcess> {
  const arguments_ = [script, databaseUrl, ...(redisUrl === undefined ? [] : [redisUrl])];
  const child = spawn(process.execPath, arguments_, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout }))
    if (line === "ready") return child;
  throw new Error("the worker didn't start");
}

/** Ends a worker, however that is done. */
export async function endWorker(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}
