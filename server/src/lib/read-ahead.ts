/**
 * Has the next item made while the one before it is dealt with.
 *
 * @throws what the items do, once those before it have been dealt with
 */
export async function* readAhead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<T>> => {
    const next = iterator.next();
    // It is heard of when its turn comes.
    next.catch(() => undefined);
    return next;
  };
  try {
    for (let next = ask(); ;) {
      const result = await next;
      if (result.done) return;
      next = ask();
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/**
 * Has what is made of each item come in order, and some of it made side by side.
 *
 * @param most how many are under way at the same time
 * @throws what `make` does, once those before it have been dealt with
 */
export async function* makeAhead<Item, T>(
  items: readonly Item[],
  most: number,
  make: (item: Item) => Promise<T>,
): AsyncGenerator<T> {
  const making: Promise<T>[] = [];
  for (let begun = 0; ;) {
    for (; making.length < most && begun < items.length; begun += 1) {
      const made = make(items[begun]!);
      // It is heard of when its turn comes.
      made.catch(() => undefined);
      making.push(made);
    }
    const next = making.shift();
    if (!next) return;
    yield await next;
  }
}
