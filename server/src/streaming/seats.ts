import { defineError } from "../lib/errors.ts";
import { networkOf } from "../lib/network.ts";
import type { Others } from "../lib/others.ts";

const noSeat = defineError(
  "too_many_requests",
  "too_many_connections",
  "{most} live connections from one address are enough: close some of them",
);

/** Bounds how many live connections one address has, or one network of IPv6. */
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
    const network = networkOf(address);
    const taken = (this.#taken.get(network) ?? 0) + (this.#elsewhere.get(network) ?? 0);
    return taken < this.#most;
  }

  /** @returns what gives the seat back @throws KnownError when all are taken */
  take(address: string): () => void {
    if (!this.hasRoom(address)) throw noSeat({ most: this.#most });
    const network = networkOf(address);
    this.#change(network, 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#change(network, -1);
      isTaken = false;
    };
  }

  #change(network: string, by: 1 | -1): void {
    add(this.#taken, network, by);
    this.#others?.note({ kind: "seats", name: network, count: by });
  }
}

function add(counts: Map<string, number>, network: string, count: number): void {
  const sum = (counts.get(network) ?? 0) + count;
  if (sum === 0) counts.delete(network);
  else counts.set(network, sum);
}
