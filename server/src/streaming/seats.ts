import { defineError } from "../lib/errors.ts";

const noSeat = defineError(
  "too_many_requests",
  "too_many_connections",
  "{most} live connections from one address are enough: close some of them",
);

/** Bounds how many live connections one address has. */
export class Seats {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Connections of all addresses. */
  get taken(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }

  hasRoom(address: string): boolean {
    return (this.#taken.get(address) ?? 0) < this.#most;
  }

  /** @returns what gives the seat back @throws KnownError when all are taken */
  take(address: string): () => void {
    if (!this.hasRoom(address)) throw noSeat({ most: this.#most });
    this.#taken.set(address, (this.#taken.get(address) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#give(address);
      isTaken = false;
    };
  }

  #give(address: string): void {
    const left = this.#taken.get(address)! - 1;
    if (left > 0) this.#taken.set(address, left);
    else this.#taken.delete(address);
  }
}
