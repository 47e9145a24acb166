import { requirePerson } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import type { Metrics } from "../metrics.ts";
import { KnownError } from "../lib/errors.ts";
import { every, type Repetition } from "../lib/every.ts";
import type { Log } from "../lib/log.ts";
import { listCurrentTasks, type Task } from "../store/tasks.ts";
import { toAnswer } from "../tasks/task-answer.ts";
import type { Admission, Guest } from "./admission.ts";
import { Batch } from "./batch.ts";

interface TaskWatchDeps {
  readonly db: Db;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "liveEvents">;
  readonly admission: Pick<Admission, "identify">;
}

/** How soon tasks are looked at again: while some are under way, and while none is. */
const pause_ms = 500;
const idlePause_ms = 1000;
/** How long the end of a task is told to who comes: as long as it may take to come again. */
const ended_s = 30;

/** Someone who listens, whose tasks they hear of, and what they were told of which. */
interface Watcher {
  readonly userId: string;
  told: ReadonlyMap<string, string>;
}

/** How a task is going, ready to be told. */
interface News {
  readonly id: string;
  readonly userId: string | null;
  /** What is told again when it changes. */
  readonly look: string;
  readonly batch: Batch;
}

/**
 * Tells people how their tasks go. One look at the table is for all who listen; while nobody does there is none. Who isn't
 * ready is told at a later one, how things are then.
 */
export class TaskWatch {
  readonly #deps: TaskWatchDeps;
  readonly #watchers = new Map<Guest, Watcher>();
  #turns: Repetition | undefined;
  /** Before this nothing new is expected. */
  #due_ms = 0;
  #fails = false;

  constructor(deps: TaskWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#turns ??= every(
      pause_ms,
      () => this.#turn(),
      (error) => this.#complain(error),
    );
  }

  async stop(): Promise<void> {
    await this.#turns?.stop();
  }

  /**
   * Tells a listener of their own tasks: those under way and those that have just ended, then of every change.
   *
   * @throws KnownError when it is nobody, or a key that isn't for looking at tasks
   */
  async follow(guest: Guest): Promise<void> {
    const userId = await this.#identify(guest);
    if (!guest.goesOn()) return;
    this.#watchers.set(guest, { userId, told: new Map() });
    this.#due_ms = 0;
  }

  /** To be called when a listener is gone, or wants to hear no more. */
  drop(guest: Guest): void {
    this.#watchers.delete(guest);
  }

  /** Tells no more to those who may not look at tasks any longer: sessions end, keys are deleted. */
  async review(): Promise<void> {
    const groups = Map.groupBy(this.#watchers.keys(), ({ shown }) => JSON.stringify(shown));
    for (const guests of groups.values()) await this.#reviewGroup(guests);
  }

  /** @param guests who show the same */
  async #reviewGroup(guests: readonly Guest[]): Promise<void> {
    try {
      await this.#identify(guests[0]!);
    } catch (error) {
      if (!(error instanceof KnownError)) throw error;
      const { code, message } = error;
      const batch = new Batch([{ name: "subscribe_error", data: { code, message } }]);
      for (const guest of guests) if (this.#watchers.delete(guest)) guest.tell(batch);
    }
  }

  async #identify({ shown }: Guest): Promise<string> {
    return requirePerson(await this.#deps.admission.identify(shown), "read").userId;
  }

  async #turn(): Promise<void> {
    if (this.#watchers.size === 0 || performance.now() < this.#due_ms) return;
    this.#due_ms = performance.now() + idlePause_ms;
    const userIds = new Set([...this.#watchers.values()].map(({ userId }) => userId));
    const tasks = await listCurrentTasks(this.#deps.db, [...userIds], ended_s);
    if (tasks.some(({ finished_at }) => finished_at === null)) this.#due_ms = 0;
    // The list begins with the newest.
    const news = Map.groupBy(tasks.map(toNews).toReversed(), ({ userId }) => userId);
    for (const [guest, watcher] of this.#watchers)
      if (guest.isReady()) this.#tell(guest, watcher, news.get(watcher.userId) ?? []);
    this.#fails = false;
  }

  #tell(guest: Guest, watcher: Watcher, news: readonly News[]): void {
    const changed = news.filter(({ id, look }) => watcher.told.get(id) !== look);
    for (const { batch } of changed) guest.tell(batch);
    watcher.told = new Map(news.map(({ id, look }) => [id, look]));
    this.#deps.metrics.liveEvents.inc(changed.length);
  }

  #complain(error: unknown): void {
    if (!this.#fails)
      this.#deps.log.warn({ err: error }, "how tasks go can't be told for now; it is told later");
    this.#fails = true;
  }
}

function toNews(task: Task & { readonly account_id: string | null }): News {
  const { id, account_id: userId, state, progress, doing } = task;
  const batch = new Batch([{ name: "task_updated", data: toAnswer(task) }]);
  return { id, userId, look: JSON.stringify([state, progress, doing]), batch };
}
