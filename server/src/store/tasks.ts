import type { TaskState } from "@ents-backend/schemas/task";
import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { toMegabytes } from "../lib/disk.ts";
import { defineError } from "../lib/errors.ts";
import type { Owner } from "./files.ts";

/** A task as it is shown, with the file that it has made, while that is kept. */
export interface Task {
  readonly id: string;
  readonly number: number;
  readonly kind: string;
  readonly params: object;
  readonly state: TaskState;
  readonly progress: number;
  readonly doing: string | null;
  readonly result: object | null;
  readonly file_id: string | null;
  readonly file_name: string | null;
  readonly media_type: string | null;
  readonly size: number | null;
  readonly sha256: Buffer | null;
  readonly error_code: string | null;
  readonly error: string | null;
  readonly attempts: number;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly expires_at: Date | null;
}

interface NewTask extends Owner {
  readonly kind: string;
  readonly params: object;
  /** Whether an admin asks as one. */
  readonly asAdmin: boolean;
  /** How long its result is kept. */
  readonly keep_s: number;
}

/** Finds a task that is there already. */
export type FindSame = (db: Db) => Promise<Pick<Task, "id" | "attempts"> | undefined>;

/** What may be had at once: tasks that wait or run, and bytes of results. */
export interface Quota {
  /** Whose: one owner's, or that of all together who have no account. */
  readonly of: Owner | "strangers";
  readonly tasks: number;
  readonly results_bytes: number;
}

/** What one look at what goes on reads at most. */
const mostCurrent = 1000;
/** What a task among others says of itself at most: its parameters, and its result. */
const mostListed_bytes = 8192;

const tooManyTasks = defineError(
  "too_many_requests",
  "too_many_tasks",
  "There are {open} tasks waiting or running, of {most} at once: wait until one is done, or cancel one with DELETE",
);
const noRoom = defineError(
  "too_many_requests",
  "results_full",
  "Results take {used} MB of the {most} MB that they may: delete tasks whose results are downloaded, or wait until they expire",
);
const taskNotFound = defineError("not_found", "task_not_found", "There is no such task");

/**
 * Adds a task, where all quotas leave room for it.
 *
 * @param findSame finds the one that is there already, and stands for it; two that are asked for at the same moment
 * find each other
 * @throws KnownError (429) where one of them is used up
 */
export async function createTask(
  db: Db,
  task: NewTask,
  quotas: readonly Quota[],
  findSame: FindSame = async () => undefined,
): Promise<Pick<Task, "id" | "attempts">> {
  return await db.transaction().execute(async (transaction) => {
    // Two that are asked for at the same moment count each other.
    await sql`select pg_advisory_xact_lock(hashtext('task quota'))`.execute(transaction);
    const same = await findSame(transaction);
    if (same) return same;
    let max_bytes = Infinity;
    for (const quota of quotas)
      max_bytes = Math.min(max_bytes, await checkQuota(transaction, quota));
    return await transaction
      .insertInto("task")
      .values({
        kind: task.kind,
        params: JSON.stringify(task.params),
        account_id: task.accountId,
        origin: task.origin,
        as_admin: task.asAdmin,
        keep_seconds: task.keep_s,
        max_bytes,
      })
      .returning(["id", "attempts"])
      .executeTakeFirstOrThrow();
  });
}

/** One's own task; that of someone else isn't there. @throws KnownError */
export async function getTask(db: Db, owner: Owner | "strangers", id: string): Promise<Task> {
  const task = await select(db)
    .where(belongsTo("task", owner))
    .where("task.id", "=", id)
    .executeTakeFirst();
  if (!task) throw taskNotFound();
  return task;
}

/**
 * One's own tasks, the newest first, older than `before` where it is given. Long parameters and results are left out, as
 * they are of the current ones below: an import's report may be of a thousand sensors.
 */
export async function listTasks(
  db: Db,
  owner: Owner,
  { state, kind }: { readonly state?: TaskState | undefined; readonly kind?: string | undefined },
  { before, limit }: { readonly before?: number | undefined; readonly limit: number },
): Promise<Task[]> {
  let query = selectShort(db)
    .where(belongsTo("task", owner))
    .orderBy("task.number", "desc")
    .limit(limit);
  if (state !== undefined) query = query.where("task.state", "=", state);
  if (kind !== undefined) query = query.where("task.kind", "=", kind);
  if (before !== undefined) query = query.where("task.number", "<", before);
  return await query.execute();
}

/**
 * The tasks of some accounts that wait or run, or have ended within some time: the most recent where they are too many.
 *
 * @param within_s how long ago
 */
export async function listCurrentTasks(
  db: Db,
  accountIds: readonly string[],
  within_s: number,
): Promise<(Task & { readonly account_id: string | null })[]> {
  return await selectShort(db)
    .select("task.account_id")
    .where(sql<boolean>`task.account_id = any(${accountIds}::uuid[])`)
    .where(
      sql<boolean>`(
        task.finished_at is null or task.finished_at > now() - make_interval(secs => ${within_s})
      )`,
    )
    .orderBy(sql`task.finished_at desc nulls first`)
    .limit(mostCurrent)
    .execute();
}

/** Ends a task that waits or runs: its worker hears of it with its next heartbeat. @returns whether it was one */
export async function cancelTask(db: Db, id: string): Promise<boolean> {
  const { rows } = await sql`
    with over as (
      update task set state = 'REVOKED', doing = null, worker = null, finished_at = now(),
        expires_at = now() + make_interval(secs => keep_seconds)
      where id = ${id} and state in ('PENDING', 'STARTED')
      returning id
    ), ${withoutFiles("over")}
    select from over`.execute(db);
  return rows.length > 0;
}

/**
 * Forgets a task that is over, and its result; with the preview of an import the files that were sent for it, unless
 * another preview is of them too, or they are being imported.
 *
 * @returns whether it was one
 */
export async function deleteTask(db: Db, id: string): Promise<boolean> {
  const { rows } = await sql`
    with over as (
      delete from task where id = ${id} and state not in ('PENDING', 'STARTED')
      returning id, kind, params, account_id
    ), ${withoutFiles("over")}, sent as (
      update file set expires_at = now() from over
      where over.kind = 'import-preview' and over.params -> 'files' ? file.id::text
        and file.account_id = over.account_id and file.task_id is null and file.expires_at > now()
        and not exists (
          select from task as run
          where run.kind = 'import' and run.params ->> 'preview' = over.id::text
            and run.state in ('PENDING', 'STARTED')
        )
        and not exists (
          select from task as other
          where other.kind = over.kind and other.account_id = over.account_id and other.id <> over.id
            and other.params -> 'files' ? file.id::text
        )
    )
    select from over`.execute(db);
  return rows.length > 0;
}

/** Forgets tasks whose results went as long ago as they had been kept. */
export async function deleteExpiredTasks(db: Db): Promise<void> {
  await sql`
    delete from task where id in (
      select id from task where expires_at < now() - make_interval(secs => keep_seconds)
      limit 1000 for update skip locked
    )`.execute(db);
}

/** How many tasks there are. */
export async function countTasks(
  db: Db,
): Promise<{ kind: string; state: TaskState; count: number }[]> {
  return await db
    .selectFrom("task")
    .select(({ fn }) => ["kind", "state", fn.countAll<number>().as("count")])
    .groupBy(["kind", "state"])
    .execute();
}

/** Part of a statement: what files of some tasks there are goes, as these are named before. */
export function withoutFiles(tasks: "over" | "begun" | "back"): RawBuilder<unknown> {
  return sql`gone as (
    update file set expires_at = now()
    from ${sql.table(tasks)} where file.task_id = ${sql.table(tasks)}.id and file.expires_at > now()
  )`;
}

function select(db: Db) {
  return selectFrame(db).select(["task.params", "task.result"]);
}

function selectShort(db: Db) {
  return selectFrame(db).select([
    ifShort("params", sql`'{}'::jsonb`)
      .$castTo<object>()
      .as("params"),
    ifShort("result", sql`null`)
      .$castTo<object | null>()
      .as("result"),
  ]);
}

function ifShort(column: "params" | "result", otherwise: RawBuilder<unknown>) {
  const whole = sql.ref(`task.${column}`);
  return sql`case when octet_length(${whole}::text) <= ${mostListed_bytes} then ${whole} else ${otherwise} end`;
}

function selectFrame(db: Db) {
  return db
    .selectFrom("task")
    .leftJoin("file", (join) =>
      join.onRef("file.id", "=", "task.file_id").on(sql<boolean>`file.expires_at > now()`),
    )
    .select([
      "task.id",
      "task.number",
      "task.kind",
      "task.state",
      "task.progress",
      "task.doing",
      "task.attempts",
      "task.error_code",
      "task.error",
      "task.created_at",
      "task.started_at",
      "task.finished_at",
      "task.expires_at",
      "file.id as file_id",
      "file.name as file_name",
      "file.media_type",
      "file.size",
      "file.sha256",
    ]);
}

/** Whether a row of a table is an owner's. */
function belongsTo(table: "task" | "file", owner: Owner | "strangers"): RawBuilder<boolean> {
  const accountId = sql.ref(`${table}.account_id`);
  const origin = sql.ref(`${table}.origin`);
  if (owner === "strangers") return sql`(${accountId} is null and ${origin} is not null)`;
  if (owner.accountId !== null) return sql`${accountId} = ${owner.accountId}`;
  return sql`(${accountId} is null and ${origin} = ${owner.origin})`;
}

/** @returns how many bytes are left */
async function checkQuota(transaction: Db, quota: Quota): Promise<number> {
  const { rows } = await sql<{ open: number; used: number }>`
    select
      (select count(*) from task where ${belongsTo("task", quota.of)} and state in ('PENDING', 'STARTED')) as open,
      (
        select coalesce(sum(size), 0)::bigint from file
        where ${belongsTo("file", quota.of)} and task_id is not null and expires_at > now()
      ) as used`.execute(transaction);
  const { open, used } = rows[0]!;
  if (open >= quota.tasks) throw tooManyTasks({ open, most: quota.tasks });
  const left = quota.results_bytes - used;
  if (left > 0) return left;
  throw noRoom({ used: toMegabytes(used), most: toMegabytes(quota.results_bytes) });
}
