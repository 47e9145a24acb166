import { isDatabaseAway } from "../db/fault.ts";
import { deadline } from "../lib/deadline.ts";
import { every, type Repetition } from "../lib/every.ts";
import { defineError, KnownError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { deleteExpiredFiles } from "../store/files.ts";
import {
  beatTasks,
  claimTask,
  failLostTasks,
  failTask,
  finishTask,
  giveBackTask,
  listWaitingTasks,
  mostLosses,
  stale_s,
  type Claim,
} from "../store/task-claims.ts";
import { deleteExpiredTasks } from "../store/tasks.ts";
import { tryRing, type Bell, type Listener } from "./bell.ts";
import { findKind, type Kinds } from "./kind.ts";
import { Run, type RunOptions } from "./run.ts";

interface WorkerOptions extends RunOptions {
  readonly bell: Bell;
  readonly kinds: Kinds;
  readonly log: Log;
  /** For people who look for it: machine and process. */
  readonly name: string;
  /** How many tasks it works at at once. */
  readonly atOnce: number;
}

/** How often a worker says that it lives and how far it is, and hears what was cancelled. */
const heartbeat_ms = 500;
const longestBeat_ms = 5000;
const sweep_ms = 2000;
/** What doesn't end by then is taken by others, once this worker isn't heard of for a while. */
const longestStop_ms = 10_000;

const workersLost = defineError(
  "unavailable",
  "worker_lost",
  `This was begun ${mostLosses} times, and what worked at it went away each time, perhaps for want of memory: ask for less at once, or tell who runs this server`,
);
const unknownFault = defineError(
  "unavailable",
  "internal_error",
  "This failed for a reason that is not yours: it is in this server's log, under the task's id",
);

/**
 * Does tasks, for as long as nobody else has them: claims a task that is rung, says twice a second that it works at it,
 * and stops when it hears that it doesn't hold it any longer. What nobody takes it rings again.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #runs = new Map<Run, Promise<void>>();
  readonly #repetitions: Repetition[] = [];
  readonly #givenBack: Claim[] = [];
  #listener: Listener | undefined;
  #heard_ms = 0;
  #isAway = false;
  #stopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  start(): void {
    const { bell, atOnce } = this.#options;
    this.#repetitions.push(
      every(
        heartbeat_ms,
        () => this.#beat(),
        () => this.#noteSilence(),
      ),
      every(
        sweep_ms,
        (signal) => this.#sweep(signal),
        (error) => this.#noteAway(error),
      ),
    );
    this.#listener = bell.listen((id) => this.#take(id), atOnce);
  }

  /** Gives back what it works at, to be begun again by another one; then closes the bell. */
  async stop(): Promise<void> {
    const { bell, log } = this.#options;
    this.#stopping = true;
    const deaf = this.#listener?.stop();
    for (const run of this.#runs.keys()) run.interrupt("stopping");
    await deadline(longestStop_ms, Promise.all([...this.#runs.values(), deaf])).catch(() => {});
    // It would have heard its own ring.
    for (const task of this.#givenBack) await tryRing(bell, task, log);
    await Promise.all(this.#repetitions.map((repetition) => repetition.stop()));
    await bell.close();
  }

  async #take(id: string): Promise<void> {
    const { db, log, name } = this.#options;
    if (this.#stopping) return;
    try {
      const task = await claimTask(db, id, name);
      if (!task) return;
      const run = new Run(this.#options, task);
      const done = this.#do(run).finally(() => this.#runs.delete(run));
      this.#runs.set(run, done);
      if (this.#stopping) run.interrupt("stopping");
      await done;
    } catch (error) {
      log.warn({ err: error, task: id }, "a task can't be settled now, and will be begun again");
    }
  }

  async #do(run: Run): Promise<void> {
    const { db, log, kinds } = this.#options;
    const { id: task, kind: name, attempts } = run.task;
    const began = performance.now();
    log.info({ task, kind: name, attempts }, "began a task");
    try {
      const kind = findKind(kinds, name);
      const result = await kind.run(await kind.prepare(run.task.params, run.asker), run);
      run.end();
      if (!(await finishTask(db, run.task, { result, fileId: run.file?.id })))
        await run.discardFile();
    } catch (error) {
      await this.#settle(run, error);
    }
    const seconds = Math.round(performance.now() - began) / 1000;
    log.info({ task, kind: name, attempts, seconds, end: run.interruption }, "ended a task");
  }

  /** Says what became of a task that wasn't done. */
  async #settle(run: Run, error: unknown): Promise<void> {
    const { db, log } = this.#options;
    const { id } = run.task;
    if (run.interruption === "lost") return await run.discardFile();
    if (run.interruption === "stopping") {
      const isHeld = await giveBackTask(db, run.task, { isLoss: false });
      if (isHeld) this.#givenBack.push(run.task);
      return;
    }
    if (isDatabaseAway(error)) {
      log.warn({ err: error, task: id }, "the database left a task in the lurch");
      const giveBack = async () => await giveBackTask(db, run.task, { isLoss: true });
      // A connection that breaks may be handed out once more before the pool knows of it.
      await giveBack().catch(giveBack);
      return;
    }
    if (!(error instanceof KnownError)) log.error({ err: error, task: id }, "a task failed");
    const { code, message } = error instanceof KnownError ? error : unknownFault();
    await failTask(db, run.task, { code, message });
  }

  /** The one place where progress is written. */
  async #beat(): Promise<void> {
    const runs = [...this.#runs.keys()].filter(({ isOver }) => !isOver);
    const beats = runs.map((run) => run.beat());
    const held = await deadline(longestBeat_ms, beatTasks(this.#options.db, beats));
    this.#heard_ms = performance.now();
    for (const run of runs) if (!held.has(run.taskId)) run.interrupt("lost");
  }

  /** Who hasn't been heard for long counts as gone, and must not go on as if it weren't. */
  #noteSilence(): void {
    if (performance.now() - this.#heard_ms < stale_s * 1000) return;
    for (const run of this.#runs.keys()) run.interrupt("lost");
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { db, bell, log } = this.#options;
    await failLostTasks(db, workersLost());
    for (const task of await listWaitingTasks(db)) await tryRing(bell, task, log);
    await deleteExpiredTasks(db);
    await deleteExpiredFiles(db, signal);
    this.#isAway = false;
  }

  /** Once, until it is back: it is asked every two seconds. */
  #noteAway(error: unknown): void {
    if (!this.#isAway) this.#options.log.warn({ err: error }, "the tasks can't be looked through");
    this.#isAway = true;
  }
}
