import { Late } from "./deadline.ts";

/** What became of one item of a batch. */
export type Settled<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly error: unknown };

export interface BatcherLimits {
  /** Items that one batch takes at most, and what they may weigh together, but for a single one. */
  readonly batch: number;
  readonly batchWeight: number;
  /** What may wait for its batch. */
  readonly queueWeight: number;
  /** How long an item waits to be settled: its batch goes on without it, and no longer holds up the next one. */
  readonly patience_ms: number;
}

/** Thrown at once, instead of waiting, when too many wait already. */
export class QueueFull extends Error {
  override readonly name = "QueueFull";
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly weight: number;
  readonly due_ms: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what is submitted while batches are under way is the next batch, in the order in which it came. Under
 * little load a batch is one item, which waits for nothing; the more load, the more items share the cost of one.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>;
  readonly #limits: BatcherLimits;
  #queue: Waiting<Item, Result>[] = [];
  #queueWeight = 0;
  #scheduled = false;
  /** Whether a batch is under way that the next one waits for. */
  #busy = false;
  readonly #running = new Set<Promise<void>>();

  /** @param run settles each item by itself, in order; when it throws, all have failed */
  constructor(
    run: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>,
    limits: BatcherLimits,
  ) {
    this.#run = run;
    this.#limits = limits;
  }

  /** How many items wait for their batch. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * @param weight what the item takes of memory, in a measure of the caller's
   * @throws QueueFull, Late, and whatever its batch makes of the item
   */
  submit(item: Item, weight: number): Promise<Result> {
    if (this.#queueWeight + weight > this.#limits.queueWeight)
      return Promise.reject(new QueueFull("too many wait already"));
    this.#queueWeight += weight;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const due_ms = performance.now() + this.#limits.patience_ms;
    this.#queue.push({ item, weight, due_ms, resolve, reject });
    this.#schedule();
    return promise;
  }

  /** Waits until every item is settled: not for what hangs, whose items have been told that they are late. */
  async settle(): Promise<void> {
    while (this.#scheduled || this.#running.size > 0)
      await (this.#running.size > 0 ? Promise.race(this.#running) : nextTurn());
  }

  /** What else has arrived in this turn of the event loop belongs to the same batch. */
  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#startNext();
    });
  }

  #startNext(): void {
    if (!this.#busy && this.#queue.length > 0) this.#start(this.#takeBatch());
  }

  #takeBatch(): Waiting<Item, Result>[] {
    let weight = 0;
    const fits = this.#queue.findIndex((one, at) => {
      weight += one.weight;
      return at > 0 && (at >= this.#limits.batch || weight > this.#limits.batchWeight);
    });
    const batch = this.#queue.splice(0, fits < 0 ? this.#queue.length : fits);
    this.#queueWeight -= batch.reduce((sum, one) => sum + one.weight, 0);
    return batch;
  }

  #start(batch: readonly Waiting<Item, Result>[]): void {
    this.#busy = true;
    const over = this.#noteRunning();
    let isAwaited = true;
    const letNextBegin = (): void => {
      if (!isAwaited) return;
      isAwaited = false;
      this.#busy = false;
      this.#startNext();
    };
    const giveUp = (): void => {
      for (const { reject } of batch) reject(new Late("its batch takes too long"));
      this.#giveUpQueued();
      over();
      letNextBegin();
    };
    const timer = setTimeout(giveUp, Math.max(0, batch[0]!.due_ms - performance.now()));
    const whenRun = (): void => {
      clearTimeout(timer);
      letNextBegin();
    };
    void this.#see(batch, whenRun).finally(over);
  }

  /** @returns what says that the batch is over, or given up */
  #noteRunning(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running.add(promise);
    return () => {
      this.#running.delete(promise);
      resolve();
    };
  }

  async #see(batch: readonly Waiting<Item, Result>[], whenRun: () => void): Promise<void> {
    const settle = await this.#runBatch(batch);
    whenRun();
    // The next batch is on its way before these are told: what they do about it and its work go on at once.
    await nextTurn();
    settle();
  }

  /** Those behind a batch that hangs have waited as long. */
  #giveUpQueued(): void {
    const now_ms = performance.now();
    const fresh = this.#queue.findIndex(({ due_ms }) => due_ms > now_ms);
    for (const { weight, reject } of this.#queue.splice(0, fresh < 0 ? Infinity : fresh)) {
      this.#queueWeight -= weight;
      reject(new Late("its batch takes too long to begin"));
    }
  }

  /** @returns what tells the items of a batch what became of them */
  async #runBatch(batch: readonly Waiting<Item, Result>[]): Promise<() => void> {
    try {
      const settled = await this.#run(batch.map(({ item }) => item));
      return () =>
        batch.forEach(({ resolve, reject }, at) => {
          const one = settled[at]!;
          if (one.ok) resolve(one.result);
          else reject(one.error);
        });
    } catch (error) {
      return () => batch.forEach(({ reject }) => reject(error));
    }
  }
}

async function nextTurn(): Promise<void> {
  await new Promise(setImmediate);
}
