import { authenticate, uploadOnly, type AuthDeps } from "../auth/authenticate.ts";
import { listReadable } from "../auth/access.ts";
import { nobody, type Caller } from "../auth/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { defineError, KnownError } from "../lib/errors.ts";
import { cellNotFound } from "../store/cells.ts";
import type { LogPosition } from "../timeseries/arrivals.ts";
import type { Audience } from "./audience.ts";
import { Batch } from "./batch.ts";
import { formatCursor } from "./cursor.ts";
import type { Listener } from "./listener.ts";

/** What a listener shows of who it is. */
export interface Shown {
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
}

/** A listener whose rights are looked at. */
export interface Guest extends Listener {
  readonly shown: Shown;
  goesOn(): boolean;
}

interface AdmissionDeps extends AuthDeps {
  readonly clock: Clock;
  readonly audience: Audience;
}

/** A cell that a listener isn't told of, and why. */
interface RefusedCell {
  readonly cellId: number;
  readonly code: string;
  readonly message: string;
}

/** What came of a wish to follow some cells. */
export interface Subscribed {
  readonly cellIds: readonly number[];
  readonly refused: readonly RefusedCell[];
  /** What is stored after it is told. */
  readonly cursor: string;
}

/** Cells that one listener follows, or asks after what it missed, at most. */
export const mostCells = 1000;

const tooManyCells = defineError(
  "invalid",
  "too_many_cells",
  "one connection follows {most} cells at most",
);

/** Lets listeners follow the cells that they may read, for as long as they may. */
export class Admission {
  readonly #deps: AdmissionDeps;
  readonly #guests = new Set<Guest>();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** Who shows this. @throws KnownError when what is shown isn't good, or is for uploads only */
  async identify(shown: Shown): Promise<Caller> {
    const caller = await authenticate(this.#deps, shown, this.#deps.clock());
    if (caller.kind === "upload-key") throw uploadOnly();
    return caller;
  }

  /**
   * Has a listener follow those of some cells that it may read.
   *
   * @param after from where on; undefined: from now on
   * @throws KnownError when there are too many, or the log doesn't reach back as far
   */
  async follow(guest: Guest, cellIds: readonly number[], after?: LogPosition): Promise<Subscribed> {
    const { audience, db } = this.#deps;
    const all = new Set([...audience.cellsOf(guest), ...cellIds]);
    if (all.size > mostCells) throw tooManyCells({ most: mostCells });
    const { caller, reason } = await this.#find(guest.shown);
    const allowed = await listReadable(db, caller, cellIds);
    const from = await audience.follow(guest, allowed, after, () => guest.goesOn());
    if (guest.goesOn() && allowed.length > 0) this.#guests.add(guest);
    const refused = without(cellIds, allowed).map((cellId) => toRefused(cellId, reason));
    return { cellIds: allowed, refused, cursor: formatCursor(from) };
  }

  unfollow(guest: Guest, cellIds: readonly number[]): void {
    this.#deps.audience.unfollow(guest, cellIds);
    if (this.#deps.audience.cellsOf(guest).size === 0) this.#guests.delete(guest);
  }

  /** To be called when a listener is gone. */
  drop(guest: Guest): void {
    this.#guests.delete(guest);
    this.#deps.audience.drop(guest);
  }

  /** Takes away from listeners what they may no longer read: tokens end, cells become private, members go. */
  async review(): Promise<void> {
    const groups = Map.groupBy(this.#guests, ({ shown }) => JSON.stringify(shown));
    for (const guests of groups.values()) await this.#reviewGroup(guests);
  }

  /** @param guests who show the same */
  async #reviewGroup(guests: readonly Guest[]): Promise<void> {
    const { audience, db } = this.#deps;
    const { caller, reason } = await this.#find(guests[0]!.shown);
    const followed = new Set(guests.flatMap((guest) => [...audience.cellsOf(guest)]));
    const allowed = new Set(await listReadable(db, caller, [...followed]));
    for (const guest of guests) {
      const lost = [...audience.cellsOf(guest)].filter(
        (cellId) => followed.has(cellId) && !allowed.has(cellId),
      );
      if (lost.length === 0) continue;
      this.unfollow(guest, lost);
      guest.tell(new Batch([refusalMessage(lost.map((cellId) => toRefused(cellId, reason)))]));
    }
  }

  /** Who shows what is no longer good is nobody, and may read what is public. */
  async #find(shown: Shown): Promise<{ readonly caller: Caller; readonly reason: KnownError }> {
    try {
      return { caller: await this.identify(shown), reason: cellNotFound() };
    } catch (error) {
      if (error instanceof KnownError) return { caller: nobody, reason: error };
      throw error;
    }
  }
}

/** Tells a listener which cells it isn't told of. */
export function refusalMessage(refused: readonly RefusedCell[]) {
  return { name: "subscribe_error", data: { refused } };
}

function toRefused(cellId: number, { code, message }: KnownError): RefusedCell {
  return { cellId, code, message };
}

function without(cellIds: readonly number[], others: readonly number[]): number[] {
  const set = new Set(others);
  return [...new Set(cellIds)].filter((cellId) => !set.has(cellId));
}
