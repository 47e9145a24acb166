import { comparePositions, type LogPosition } from "../timeseries/arrivals.ts";
import type { Listener } from "./listener.ts";

/** What a listener follows, and how far it has come. */
export interface Following {
  /** Replaced, and not changed, when it follows others: who tells it something knows what it followed before. */
  cells: ReadonlySet<number>;
  /** Undefined: it has joined those who are told at once; else it is behind them, and is told from here on. */
  behind: LogPosition | undefined;
  /** Cells that are followed from a later position only. */
  readonly floors: Map<number, LogPosition>;
}

/** Listeners that are at the same position and follow the same cells: one look at the log is for all of them. */
export interface Group {
  readonly behind: LogPosition;
  readonly cells: ReadonlySet<number>;
  readonly listeners: readonly Listener[];
}

/** Who follows what. A listener that can't take more, or comes with a cursor, is a position in the log and nothing else. */
export class Followings {
  readonly #all = new Map<Listener, Following>();
  readonly #counts = new Map<number, number>();

  get size(): number {
    return this.#all.size;
  }

  cellsOf(listener: Listener): ReadonlySet<number> {
    return this.#all.get(listener)?.cells ?? none;
  }

  /** Those who are told at once, and the cells that they follow now. */
  joined(): [Listener, ReadonlySet<number>][] {
    return [...this.#all].flatMap(([listener, { behind, cells }]) =>
      behind ? [] : [[listener, cells]],
    );
  }

  /** Cells that anyone follows. */
  cells(): number[] {
    return [...this.#counts.keys()];
  }

  /** How many follow a cell. */
  count(cellId: number): number {
    return this.#counts.get(cellId) ?? 0;
  }

  /** Has a listener follow some cells from a position on. @param end where those are who are told at once */
  add(listener: Listener, cellIds: readonly number[], from: LogPosition, end: LogPosition): void {
    const known = this.#all.get(listener);
    const following = known ?? {
      cells: none,
      behind: from,
      floors: new Map<number, LogPosition>(),
    };
    const before = (following.behind ??= end);
    const fresh = cellIds.filter((cellId) => !following.cells.has(cellId));
    if (fresh.length === 0) return;
    if (known) {
      // What a cell was told of by now isn't told again from further back.
      for (const cellId of following.cells) {
        const floor = following.floors.get(cellId);
        if (!floor || comparePositions(floor, before) < 0) following.floors.set(cellId, before);
      }
      for (const cellId of fresh) following.floors.set(cellId, from);
    }
    for (const cellId of fresh) this.#counts.set(cellId, this.count(cellId) + 1);
    following.cells = new Set([...following.cells, ...fresh]);
    following.behind = comparePositions(from, before) < 0 ? from : before;
    this.#all.set(listener, following);
  }

  remove(listener: Listener, cellIds: readonly number[]): void {
    const following = this.#all.get(listener);
    if (!following) return;
    const cells = new Set(following.cells);
    for (const cellId of cellIds) {
      if (cells.delete(cellId)) this.#countLess(cellId);
      following.floors.delete(cellId);
    }
    following.cells = cells;
    if (cells.size === 0) this.#all.delete(listener);
  }

  drop(listener: Listener): void {
    this.remove(listener, [...this.cellsOf(listener)]);
  }

  /** Those who can't take more fall behind; those who have come as far as the others join them. */
  sort(end: LogPosition): void {
    for (const [listener, following] of this.#all) {
      if (!following.behind) {
        if (!listener.isReady()) following.behind = end;
      } else if (comparePositions(following.behind, end) === 0 && listener.isReady()) {
        following.behind = undefined;
        following.floors.clear();
      }
    }
  }

  /** All of them are at another position from now on. */
  moveAll(to: LogPosition): void {
    for (const following of this.#all.values()) {
      following.behind = to;
      following.floors.clear();
    }
  }

  /** Those who have waited longest of those who are behind and can take more. */
  nextGroup(end: LogPosition): Group | undefined {
    let group:
      | { behind: LogPosition; cells: ReadonlySet<number>; listeners: Listener[] }
      | undefined;
    for (const [listener, { behind, cells }] of this.#all) {
      if (!behind || comparePositions(behind, end) >= 0 || !listener.isReady()) continue;
      if (!group) group = { behind, cells, listeners: [listener] };
      else if (comparePositions(behind, group.behind) === 0 && isSame(cells, group.cells))
        group.listeners.push(listener);
    }
    return group;
  }

  /** A listener of a group, unless it has changed since. */
  find(listener: Listener, { behind, cells }: Group): Following | undefined {
    const following = this.#all.get(listener);
    const isAsBefore = following?.behind && comparePositions(following.behind, behind) === 0;
    return isAsBefore && isSame(following.cells, cells) ? following : undefined;
  }

  /** Moves on a listener that was told up to a position; others come first next time. */
  advance(listener: Listener, following: Following, to: LogPosition): void {
    following.behind = to;
    this.#all.delete(listener);
    this.#all.set(listener, following);
  }

  #countLess(cellId: number): void {
    const count = this.count(cellId) - 1;
    if (count > 0) this.#counts.set(cellId, count);
    else this.#counts.delete(cellId);
  }

  *[Symbol.iterator](): Generator<Listener> {
    yield* this.#all.keys();
  }
}

const none: ReadonlySet<number> = new Set();

function isSame(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === b.size && [...a].every((cellId) => b.has(cellId));
}
