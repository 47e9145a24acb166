import type { Gather, Metrics, Snapshot } from "../metrics.ts";
import { deadline } from "../lib/deadline.ts";
import { every, type Repetition } from "../lib/every.ts";
import { Notes, type Note, type Others } from "../lib/others.ts";
import { isAsked, type Asked, type Told } from "./messages.ts";

type Waiting = (snapshots: readonly Snapshot[]) => void;

const report_ms = 2000;
/** What others count is known that late: no limit is that exact. */
const notes_ms = 100;
const patience_ms = 4000;

/** The process that began this one, seen from here. */
export class Parent implements Others {
  readonly #waiting: Waiting[] = [];
  readonly #notes = new Notes();
  readonly #listeners: ((note: Note) => void)[] = [];
  readonly #turn = Promise.withResolvers<"turn">();
  #measure: (() => Promise<Snapshot>) | undefined;
  #reports: Repetition | undefined;

  constructor() {
    process.on("message", (message) => {
      if (isAsked(message)) this.#hear(message);
    });
  }

  /** Waits until this process is to serve. */
  async turn(): Promise<"turn"> {
    const turn = await this.#turn.promise;
    // From now on it isn't what keeps this process.
    process.channel?.unref();
    return turn;
  }

  /** Waits for its end, however that comes. */
  gone(): Promise<"gone"> {
    return new Promise((resolve) => process.once("disconnect", () => resolve("gone")));
  }

  /** Waits until it is on its way; nobody hears it where that process is gone. */
  async tell(told: Told): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (process.connected) process.send?.(told, undefined, {}, () => resolve());
    else resolve();
    await promise;
  }

  /** Tells what this process counts, now and then, so that it isn't forgotten should this one die. */
  report(metrics: Pick<Metrics, "snapshot">): void {
    this.#measure = async () => await metrics.snapshot();
    this.#reports = every(
      report_ms,
      () => this.#report(),
      () => {},
    );
  }

  note(note: Note): void {
    if (this.#notes.size === 0)
      setTimeout(
        () => void this.tell({ is: "noted", notes: this.#notes.take() }),
        notes_ms,
      ).unref();
    this.#notes.add(note);
  }

  onNote(hear: (note: Note) => void): void {
    this.#listeners.push(hear);
  }

  /** What all processes count; while that can't be found out, this one alone. */
  readonly gather: Gather = async () => {
    const { promise, resolve } = Promise.withResolvers<readonly Snapshot[]>();
    this.#waiting.push(resolve);
    await this.tell({ is: "gather" });
    return await deadline(patience_ms, promise).catch(async () => [
      (await this.#measure?.()) ?? [],
    ]);
  };

  /** Tells for the last time, and waits until that is told. */
  async leave(): Promise<void> {
    await this.#reports?.stop();
    await this.#report();
    if (process.connected) process.disconnect();
  }

  #hear(asked: Asked): void {
    if (asked.is === "serve") this.#turn.resolve("turn");
    if (asked.is === "measure") void this.#report().catch(() => {});
    if (asked.is === "noted")
      for (const note of asked.notes) for (const hear of this.#listeners) hear(note);
    // All who wait are answered with what is the same for all.
    if (asked.is === "gathered")
      for (const answer of this.#waiting.splice(0)) answer(asked.snapshots);
  }

  async #report(): Promise<void> {
    const snapshot = await this.#measure?.();
    if (snapshot) await this.tell({ is: "measured", snapshot });
  }
}
