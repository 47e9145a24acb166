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
  /** How long the next batch waits for one under way at most: one that hangs must not hold up all. */
  readonly patience_ms: number;
}

/** Thrown at once, instead of waiting, when too many wait already. */
export class QueueFull extends Error {
  override readonly name = "QueueFull";
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly weight: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what is submitted while a batch is under way is the next batch, in the order in which it came. Under
 * little load a batch is one item, which waits for nothing; the more load, the more items share the cost of one.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>;
  readonly #limits: BatcherLimits;
  #queue: Waiting<Item, Result>[] = [];
  #queueWeight = 0;
  #working: Promise<void> | undefined;
  readonly #underWay = new Set<Promise<void>>();

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
   * @throws QueueFull, and whatever its batch makes of the item
   */
  async submit(item: Item, weight: number): Promise<Result> {
    if (this.#queueWeight + weight > this.#limits.queueWeight)
      throw new QueueFull("too many wait already");
    this.#queueWeight += weight;
    return await new Promise<Result>((resolve, reject) => {
      this.#queue.push({ item, weight, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Waits for everything that has been submitted. */
  async settle(): Promise<void> {
    await this.#working;
    await Promise.all(this.#underWay);
  }

  async #work(): Promise<void> {
    // What else has arrived in this turn of the event loop belongs to the same batch.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      const running = this.#runBatch(batch);
      this.#underWay.add(running);
      void running.finally(() => this.#underWay.delete(running));
      await patiently(running, this.#limits.patience_ms);
    }
    this.#working = undefined;
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

  async #runBatch(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const settled = await this.#run(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, at) => {
        const one = settled[at]!;
        if (one.ok) resolve(one.result);
        else reject(one.error);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

async function patiently(running: Promise<void>, patience_ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience_ms);
  });
  await Promise.race([running, late]);
  clearTimeout(timer);
}
