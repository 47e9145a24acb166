/** Lets so many at a time do something, and others wait in their order. */
export class Slots {
  #free: number;
  readonly #mostWaiting: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number, mostWaiting: number) {
    this.#free = count;
    this.#mostWaiting = mostWaiting;
  }

  /** Whether no more may wait. */
  get isFull(): boolean {
    return this.#free === 0 && this.#waiting.size >= this.#mostWaiting;
  }

  /** Waits for a slot, to be freed by who has it. @throws the signal's reason, once it is aborted */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
  }

  /** Hands a slot on to who has waited longest. */
  free(): void {
    const [first] = this.#waiting;
    if (!first) this.#free += 1;
    else {
      this.#waiting.delete(first);
      first();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      if (this.#waiting.delete(resolve)) reject(signal.reason as Error);
    };
    this.#waiting.add(resolve);
    signal.addEventListener("abort", giveUp);
    await promise.finally(() => signal.removeEventListener("abort", giveUp));
  }
}
