import { setImmediate } from "node:timers/promises";
import type { Db } from "../db/connect.ts";
import type { Metrics } from "../metrics.ts";
import { every, type Repetition } from "../lib/every.ts";
import type { KnownError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import {
  comparePositions,
  findLogEnd,
  findNews,
  isCursorGone,
  listArrivals,
  type LogPart,
  type LogPosition,
} from "../timeseries/arrivals.ts";
import { formatCursor } from "./cursor.ts";
import { toEvents } from "./events.ts";
import { Followings, type Following, type Group } from "./followings.ts";
import type { Listener } from "./listener.ts";
import { Batch, Batches } from "./batch.ts";
import { arrange, cursorMessage, type Message } from "./merge.ts";

interface AudienceDeps {
  readonly db: Db;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "liveEvents" | "liveMerged">;
}

/** How soon the log is looked at again: after something new was there, and after nothing was. */
const pause_ms = 20;
const idlePause_ms = 100;
/** Telling many takes a third of the time at most, where the next look is no later than this: what comes meanwhile is one write. */
const latestLook_ms = 120;
/** How long others wait while many are told: an upload waits as long for each of its steps. */
const slice_ms = 0.5;
/** How long those who are told at once wait for those who are behind. */
const catchUp_ms = 100;
/** Readings that one look at the log takes in. */
const most = { together: 5000, behind: 1000 } as const;
/** How many measurements of a cell one look tells of without merging them: as many as can be sent to all who listen. */
const mostEvents = { atLeast: 50, atMost: 500, sent: 200_000 } as const;
/** How often those who hear nothing are told where the log has come to, so that their cursor stays good. */
const reminder_ms = 600_000;

/**
 * Tells everyone who listens what was stored in the cells that they follow: everything, once, in the order of the log.
 *
 * The log is looked at some times a second while anyone listens, and it is all that this process hears of others. Who
 * has kept up is told at once with all others; who hasn't, or comes with a cursor, is told out of the log from there on,
 * until they have caught up.
 */
export class Audience {
  readonly #deps: AudienceDeps;
  readonly #followings = new Followings();
  /** Where those are who are told at once; undefined while nobody listens. */
  #end: LogPosition | undefined;
  #turns: Repetition | undefined;
  /** Before this nothing new is expected. */
  #due_ms = 0;
  #reminded_ms = performance.now();
  #fails = false;

  constructor(deps: AudienceDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#turns ??= every(
      () => Math.max(pause_ms, this.#due_ms - performance.now()),
      (signal) => this.#turn(signal),
      (error) => this.#complain(error),
    );
  }

  async stop(): Promise<void> {
    await this.#turns?.stop();
  }

  /**
   * Has a listener follow some cells more.
   *
   * @param after from where on; undefined: from now on
   * @param goesOn whether it still listens
   * @returns from where it will be told
   * @throws KnownError when the log doesn't reach back as far
   */
  async follow(
    listener: Listener,
    cellIds: readonly number[],
    after: LogPosition | undefined,
    goesOn: () => boolean,
  ): Promise<LogPosition> {
    const { db } = this.#deps;
    if (after) await findNews(db, after);
    const found = this.#end ?? (await findLogEnd(db));
    const end = (this.#end ??= found);
    const from = after ?? end;
    if (goesOn()) this.#followings.add(listener, cellIds, from, end);
    return from;
  }

  cellsOf(listener: Listener): ReadonlySet<number> {
    return this.#followings.cellsOf(listener);
  }

  unfollow(listener: Listener, cellIds: readonly number[]): void {
    this.#followings.remove(listener, cellIds);
  }

  /** To be called when a listener is gone. */
  drop(listener: Listener): void {
    this.#followings.drop(listener);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    this.#due_ms = performance.now() + idlePause_ms;
    if (this.#followings.size === 0) {
      this.#end = undefined;
      return;
    }
    const before = (this.#end ??= await findLogEnd(this.#deps.db));
    this.#followings.sort(before);
    this.#remind(before);
    const end = await this.#goOn(before);
    const due_ms = performance.now() + catchUp_ms;
    while (!signal.aborted && performance.now() < due_ms && (await this.#catchUp(end)));
    this.#fails = false;
  }

  /** Tells what is new since `end` to those who are told at once. @returns where they are now */
  async #goOn(end: LogPosition): Promise<LogPosition> {
    const { db } = this.#deps;
    try {
      const cellIds = this.#followings.cells();
      const part = await listArrivals(db, { after: end, cellIds, limit: most.together });
      if (comparePositions(part.next, end) === 0) return end;
      // Beforehand: who comes meanwhile isn't told of this, and those who are told of it go on behind it.
      this.#end = part.next;
      const began_ms = performance.now();
      await this.#tellTogether(part, end);
      const told_ms = performance.now();
      this.#due_ms = told_ms + restAfter(told_ms - began_ms);
      return part.next;
    } catch (error) {
      if (!isCursorGone(error)) throw error;
      return await this.#beginAnew(error);
    }
  }

  /** Tells all who have kept up, some at a time: uploads are answered in between. */
  async #tellTogether({ readings }: LogPart, since: LogPosition): Promise<void> {
    // As often as only other cells were uploaded to, which is no reason to go through thousands who listen.
    if (readings.length === 0) return;
    const joined = this.#followings.joined();
    const messages = arrange(
      toEvents(readings),
      (cellId) => this.#mostOf(cellId),
      formatCursor(since),
    );
    const batches = new Batches(messages);
    await this.#inSlices(joined, ([listener, cells]) => {
      const still = this.#followings.cellsOf(listener);
      const batch = batches.of((cellId) => cells.has(cellId) && still.has(cellId));
      if (batch) this.#tell(listener, batch);
    });
  }

  #mostOf(cellId: number): number {
    const most_ = Math.ceil(mostEvents.sent / Math.max(1, this.#followings.count(cellId)));
    return Math.min(mostEvents.atMost, Math.max(mostEvents.atLeast, most_));
  }

  #tell(listener: Listener, batch: Batch): void {
    listener.tell(batch);
    this.#deps.metrics.liveEvents.inc(batch.messages.length);
    this.#deps.metrics.liveMerged.inc(batch.merged);
  }

  /** Tells some of those who are behind what comes next. @returns whether there were any */
  async #catchUp(end: LogPosition): Promise<boolean> {
    const group = this.#followings.nextGroup(end);
    if (!group) return false;
    const { behind: after } = group;
    const cellIds = [...group.cells];
    try {
      const limit = most.behind;
      const part = await listArrivals(this.#deps.db, { after, upTo: end, cellIds, limit });
      const shared = toBatch(part, after);
      await this.#eachOf(group, (listener, following) => {
        const batch = following.floors.size === 0 ? shared : this.#above(following, part, after);
        if (batch.messages.length > 0) this.#tell(listener, batch);
        this.#followings.advance(listener, following, part.next);
      });
    } catch (error) {
      if (!isCursorGone(error)) throw error;
      const lost = new Batch([lossMessage(error, end)]);
      await this.#eachOf(group, (listener, following) => {
        listener.tell(lost);
        this.#followings.advance(listener, following, end);
      });
    }
    return true;
  }

  async #eachOf(
    group: Group,
    act: (listener: Listener, following: Following) => void,
  ): Promise<void> {
    await this.#inSlices(group.listeners, (listener) => {
      const following = this.#followings.find(listener, group);
      if (following) act(listener, following);
    });
  }

  async #inSlices<Item>(items: readonly Item[], act: (item: Item) => void): Promise<void> {
    let due_ms = performance.now() + slice_ms;
    for (const item of items) {
      act(item);
      if (performance.now() < due_ms) continue;
      await setImmediate();
      due_ms = performance.now() + slice_ms;
    }
  }

  /** What one listener is told that follows some of its cells from a later position only. */
  #above({ floors }: Following, { readings }: LogPart, since: LogPosition): Batch {
    const wanted = readings.filter(({ cellId, position }) => {
      const floor = floors.get(cellId);
      return !(floor && comparePositions(position, floor) <= 0);
    });
    return toBatch({ readings: wanted }, since);
  }

  /** Another database has taken this one's place, or nobody looked at the log for as long as it is kept. */
  async #beginAnew(error: KnownError): Promise<LogPosition> {
    const end = await findLogEnd(this.#deps.db);
    const batch = new Batch([lossMessage(error, end)]);
    for (const listener of this.#followings) listener.tell(batch);
    this.#followings.moveAll(end);
    return (this.#end = end);
  }

  #remind(end: LogPosition): void {
    const now_ms = performance.now();
    if (now_ms - this.#reminded_ms < reminder_ms) return;
    this.#reminded_ms = now_ms;
    const batch = new Batch([cursorMessage(formatCursor(end))]);
    for (const [listener] of this.#followings.joined()) listener.tell(batch);
  }

  #complain(error: unknown): void {
    if (!this.#fails)
      this.#deps.log.warn({ err: error }, "what is stored can't be told for now; it is told later");
    this.#fails = true;
  }
}

function toBatch({ readings }: Pick<LogPart, "readings">, since: LogPosition): Batch {
  const messages = arrange(toEvents(readings), () => mostEvents.atMost, formatCursor(since));
  return new Batch(messages.map(({ message }) => message));
}

function restAfter(telling_ms: number): number {
  return Math.min(2 * telling_ms, latestLook_ms - telling_ms);
}

/** @param end from where those go on who have missed something */
function lossMessage({ code, message }: KnownError, end: LogPosition): Message {
  const cursor = formatCursor(end);
  return { name: "subscribe_error", data: { code, message, cursor }, cursor };
}
