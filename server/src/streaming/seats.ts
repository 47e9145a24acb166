import { defineError } from "../lib/errors.ts";
import type { Others } from "../lib/others.ts";

const noSeat = defineError(
  "too_many_requests",
  "too_many_connections",
  "{most} live connections from one address are enough: close some of them",
);

/** Bounds how many live connections one address has. */
export class Seats {
  readonly #most: number;
  readonly #taken = new Map<string, number>();
  readonly #others: Others | undefined;
  /** Those that other processes of the same server have given. */
  readonly #elsewhere = new Map<string, number>();

  /** @param others undefined: there are no other processes of this server */
  constructor(most: number, others?: Others) {
    this.#most = most;
    this.#others = others;
    others?.onNote(({ kind, name, count }) => {
      if (kind === "seats") add(this.#elsewhere, name, count);
    });
  }

  /** Connections of all addresses, at this process. */
  get taken(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }

  hasRoom(address: string): boolean {
    const taken = (this.#taken.get(address) ?? 0) + (this.#elsewhere.get(address) ?? 0);
    return taken < this.#most;
  }

  /** @returns what gives the seat back @throws KnownError when all are taken */
  take(address: string): () => void {
    if (!this.hasRoom(address)) throw noSeat({ most: this.#most });
    this.#change(address, 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#change(address, -1);
      isTaken = false;
    };
  }

  #change(address: string, by: 1 | -1): void {
    add(this.#taken, address, by);
    this.#others?.note({ kind: "seats", name: address, count: by });
  }
}

function add(counts: Map<string, number>, address: string, count: number): void {
  const sum = (counts.get(address) ?? 0) + count;
  if (sum === 0) counts.delete(address);
  else counts.set(address, sum);
}
