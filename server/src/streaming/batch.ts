import type { CellMessage, Message } from "./merge.ts";

/** Messages for many listeners at once: written once, in each form that one of them needs. */
export class Batch {
  readonly messages: readonly Message[];
  /** Measurements that these tell of together. */
  readonly merged: number;
  readonly #written = new Map<Writer<unknown>, unknown>();

  constructor(messages: readonly Message[]) {
    this.messages = messages;
    this.merged = messages.reduce((sum, { merged = 0 }) => sum + merged, 0);
  }

  as<Form>(write: Writer<Form>): Form {
    // What a writer has written is kept under it alone.
    if (!this.#written.has(write)) this.#written.set(write, write(this.messages));
    return this.#written.get(write) as Form;
  }
}

type Writer<Form> = (messages: readonly Message[]) => Form;

/** The messages of one look at the log: listeners to the same ones of its cells are told the same batch. */
export class Batches {
  readonly #messages: readonly CellMessage[];
  readonly #cellIds: readonly number[];
  readonly #made = new Map<string, Batch>();

  constructor(messages: readonly CellMessage[]) {
    this.#messages = messages;
    this.#cellIds = [...new Set(messages.map(({ cellId }) => cellId))];
  }

  /** What is told to who follows some cells; undefined: nothing. */
  of(follows: (cellId: number) => boolean): Batch | undefined {
    const cellIds = this.#cellIds.filter(follows);
    if (cellIds.length === 0) return undefined;
    const key = cellIds.join();
    const batch = this.#made.get(key) ?? this.#make(new Set(cellIds));
    this.#made.set(key, batch);
    return batch;
  }

  #make(cellIds: ReadonlySet<number>): Batch {
    const mine = this.#messages.filter(({ cellId }) => cellIds.has(cellId));
    return new Batch(mine.map(({ message }) => message));
  }
}
