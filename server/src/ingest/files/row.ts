/** Characters of a line that are read; a longer one is no row of measurements. */
export const longestLine = 65_536;

/** Why a row can't be read. */
export interface Fault {
  readonly reason: string;
}

/** A row that can't be read, and where it stands. */
export interface BadRow extends Fault {
  readonly line: number;
}

/** Lets everything through that it sees. */
export async function* tap<T>(items: AsyncIterable<T>, see: (item: T) => void): AsyncGenerator<T> {
  for await (const item of items) {
    see(item);
    yield item;
  }
}
