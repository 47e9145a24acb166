/** Things of the same key are done one after the other; those of different keys don't wait for each other. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take<T>(key: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(act);
    const over = turn.then(noop, noop);
    this.#last.set(key, over);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}

const noop = (): undefined => undefined;
