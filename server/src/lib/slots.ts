interface SlotLimits {
  /** How many at a time. */
  readonly count: number;
  /** How many may wait: all together, and of one. */
  readonly mostWaiting: number;
  readonly mostWaitingEach: number;
}

interface Waiter {
  readonly who: string;
  readonly begin: () => void;
}

/** Lets so many at a time do something, nobody twice at the same time, and others wait in their order. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #having = new Set<string>();
  readonly #waiting = new Set<Waiter>();

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** Whether someone would have to wait, and may not. */
  isFullFor(who: string): boolean {
    if (this.#isFreeFor(who)) return false;
    const { mostWaiting, mostWaitingEach } = this.#limits;
    const theirs = [...this.#waiting].filter((waiter) => waiter.who === who).length;
    return this.#waiting.size >= mostWaiting || theirs >= mostWaitingEach;
  }

  /** Waits for a slot, to be freed by who has it. @throws the signal's reason, once it is aborted */
  async take(who: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isFreeFor(who)) return await this.#wait(who, signal);
    this.#having.add(who);
  }

  /** Hands a slot on to who has waited longest, of those that have none. */
  free(who: string): void {
    this.#having.delete(who);
    const next = [...this.#waiting].find((waiter) => this.#isFreeFor(waiter.who));
    if (!next) return;
    this.#waiting.delete(next);
    this.#having.add(next.who);
    next.begin();
  }

  #isFreeFor(who: string): boolean {
    return this.#having.size < this.#limits.count && !this.#having.has(who);
  }

  async #wait(who: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { who, begin: resolve };
    const giveUp = () => {
      if (this.#waiting.delete(waiter)) reject(signal.reason as Error);
    };
    this.#waiting.add(waiter);
    signal.addEventListener("abort", giveUp);
    await promise.finally(() => signal.removeEventListener("abort", giveUp));
  }
}
