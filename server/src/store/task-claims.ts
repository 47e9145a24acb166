import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { withoutFiles } from "./tasks.ts";

/** A worker's hold on a task. What it writes counts for as long as nobody else has begun the task. */
export interface Claim {
  readonly id: string;
  /** The how-manieth time this is that it was begun. */
  readonly attempts: number;
}

/** A task that a worker has begun, and all that it needs to know of it. */
export interface ClaimedTask extends Claim {
  readonly kind: string;
  readonly params: object;
  readonly account_id: string | null;
  readonly origin: string | null;
  /** Whether who asked did so as an admin, and is one still. */
  readonly admin: boolean;
  readonly keep_seconds: number;
  readonly max_bytes: number;
}

/** How far a task has come. */
export interface Beat extends Claim {
  /** From 0 to 1. */
  readonly progress: number;
  readonly doing: string | null;
}

/** Why a task failed. */
interface TaskFailure {
  readonly code: string;
  readonly message: string;
}

/** After that long without a heartbeat a worker counts as gone. */
export const stale_s = 15;

/** A task that has cost so many workers isn't given to another one. */
export const mostLosses = 5;

/** A task that waits longer is rung again. */
const patience_s = 3;
const mostRings = 100;

const isStale = sql<boolean>`(state = 'STARTED' and heartbeat_at < now() - make_interval(secs => ${stale_s}))`;

/** What other tasks of the same owner have made since a task was asked for: it has so much less room. */
const madeSince = sql`(
  select coalesce(sum(file.size), 0) from task as other join file on file.id = other.file_id
  where (other.account_id = task.account_id or other.account_id is null and other.origin = task.origin)
    and other.finished_at > task.created_at and file.expires_at > now()
)`;

/** Begins a task that waits for a worker, or whose worker is gone. @returns undefined where someone else was faster */
export async function claimTask(
  db: Db,
  id: string,
  worker: string,
): Promise<ClaimedTask | undefined> {
  const { rows } = await sql<ClaimedTask>`
    with begun as (
      update task set state = 'STARTED', attempts = attempts + 1, losses = losses + (state = 'STARTED')::int,
        progress = 0, doing = null, worker = ${worker}, heartbeat_at = now(),
        started_at = coalesce(started_at, now())
      where id = ${id} and (
        state = 'PENDING' and losses < ${mostLosses} or ${isStale} and losses < ${mostLosses - 1}
      )
      returning id, attempts, kind, params, account_id, origin, as_admin, keep_seconds,
        greatest(0, max_bytes - ${madeSince})::bigint as max_bytes
    ), ${withoutFiles("begun")}
    select begun.*, as_admin and coalesce(account.admin, false) as admin
    from begun left join account on account.id = account_id`.execute(db);
  return rows[0];
}

/** Says that some tasks are being worked at, and how far they have come. @returns the ids of those still held */
export async function beatTasks(db: Db, beats: readonly Beat[]): Promise<Set<string>> {
  if (beats.length === 0) return new Set();
  const columns = [
    sql`${beats.map(({ id }) => id)}::uuid[]`,
    sql`${beats.map(({ attempts }) => attempts)}::int[]`,
    sql`${beats.map(({ progress }) => progress)}::real[]`,
    sql`${beats.map(({ doing }) => doing)}::text[]`,
  ];
  const { rows } = await sql<{ id: string }>`
    update task set heartbeat_at = now(), progress = beat.progress, doing = beat.doing
    from unnest(${sql.join(columns)}) as beat (id, attempts, progress, doing)
    where task.id = beat.id and task.attempts = beat.attempts and state = 'STARTED'
    returning task.id`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** Ends a task well. @returns whether it was still held */
export async function finishTask(
  db: Db,
  claim: Claim,
  { result, fileId }: { readonly result: object | undefined; readonly fileId: string | undefined },
): Promise<boolean> {
  const { rows } = await sql`
    with over as (
      update task set state = 'SUCCESS', progress = 1, doing = null, worker = null, finished_at = now(),
        expires_at = now() + make_interval(secs => keep_seconds),
        result = ${result ? JSON.stringify(result) : null}::jsonb, file_id = ${fileId ?? null}
      where ${isHeld(claim)}
      returning id, expires_at
    ), kept as (
      update file set expires_at = over.expires_at from over where file.id = ${fileId ?? null}
    )
    select from over`.execute(db);
  return rows.length > 0;
}

/** Ends a task that can't be done. @returns whether it was still held */
export async function failTask(
  db: Db,
  claim: Claim,
  { code, message }: TaskFailure,
): Promise<boolean> {
  return await fail(db, isHeld(claim), { code, message });
}

/**
 * Gives a task back, to be begun again.
 *
 * @param isLoss whether that counts as if its worker had gone
 * @returns whether it was still held
 */
export async function giveBackTask(
  db: Db,
  claim: Claim,
  { isLoss }: { readonly isLoss: boolean },
): Promise<boolean> {
  const { rows } = await sql`
    with back as (
      update task set state = 'PENDING', ready_at = now(), progress = 0, doing = null, worker = null,
        heartbeat_at = null, losses = losses + ${isLoss ? 1 : 0}
      where ${isHeld(claim)}
      returning id
    ), ${withoutFiles("back")}
    select from back`.execute(db);
  return rows.length > 0;
}

/** Ends the tasks that have cost too many workers. */
export async function failLostTasks(db: Db, failure: TaskFailure): Promise<void> {
  const isHopeless = sql<boolean>`(
    state = 'PENDING' and losses >= ${mostLosses} or ${isStale} and losses >= ${mostLosses - 1}
  )`;
  await fail(db, isHopeless, failure);
}

/** The tasks that nobody has taken for some seconds, those that wait for longest first; not all if they are many. */
export async function listWaitingTasks(db: Db): Promise<Claim[]> {
  const { rows } = await sql<Claim>`
    select id, attempts from task
    where state = 'PENDING' and ready_at < now() - make_interval(secs => ${patience_s}) or ${isStale}
    order by ready_at limit ${mostRings}`.execute(db);
  return rows;
}

function isHeld({ id, attempts }: Claim): RawBuilder<boolean> {
  return sql<boolean>`(id = ${id} and attempts = ${attempts} and state = 'STARTED')`;
}

/** @returns whether there was a task to fail */
async function fail(
  db: Db,
  which: RawBuilder<boolean>,
  { code, message }: TaskFailure,
): Promise<boolean> {
  const { rows } = await sql`
    with over as (
      update task set state = 'FAILURE', doing = null, worker = null, finished_at = now(),
        expires_at = now() + make_interval(secs => keep_seconds),
        error_code = ${code}, error = ${message}
      where ${which}
      returning id
    ), ${withoutFiles("over")}
    select from over`.execute(db);
  return rows.length > 0;
}
