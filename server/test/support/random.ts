/** Numbers in [0, 1) that are the same for the same seed. Source: the mulberry32 generator. */
export function randomNumbers(seed: string): () => number {
  let state = Buffer.from(seed).reduce((sum, byte) => Math.imul(sum, 31) + byte, 7);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a test leaves to chance, by one seed that is printed, so that it can be done again. */
export class Chance {
  readonly seed: string;
  readonly number: () => number;

  constructor(seed: string) {
    this.seed = seed;
    this.number = randomNumbers(seed);
  }

  /** A whole number from 0 to one less than `limit`. */
  below(limit: number): number {
    return Math.floor(this.number() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Whether something with this probability happens. */
  happens(probability: number): boolean {
    return this.number() < probability;
  }
}

/** A seed of its own for each run, or the one that CHAOS_SEED names. */
export function openChance(): Chance {
  const seed = process.env["CHAOS_SEED"] ?? String(Math.floor(Math.random() * 2 ** 32));
  console.log(`CHAOS_SEED=${seed}`);
  return new Chance(seed);
}
