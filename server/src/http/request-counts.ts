import type { FastifyRateLimitStore } from "@fastify/rate-limit";
import type { Others } from "../lib/others.ts";

interface Window {
  count: number;
  readonly began_ms: number;
}

/** Counts requests by subject in windows of time, with those that come to other processes of the same server. */
export class RequestCounts implements FastifyRateLimitStore {
  readonly #others: Others;
  readonly #window_ms: number;
  readonly #most: number;
  /** The one that was counted longest ago comes first. */
  readonly #windows = new Map<string, Window>();

  /** @param most subjects that are remembered at the same time */
  constructor(others: Others, window_ms: number, most: number) {
    this.#others = others;
    this.#window_ms = window_ms;
    this.#most = most;
    others.onNote(({ kind, name, count }) => {
      if (kind === "requests") this.#add(name, count);
    });
  }

  incr: FastifyRateLimitStore["incr"] = (name, answer) => {
    const { count: current, began_ms } = this.#add(name, 1);
    this.#others.note({ kind: "requests", name, count: 1 });
    answer(null, { current, ttl: began_ms + this.#window_ms - performance.now() });
  };

  child(): this {
    return this;
  }

  #add(name: string, count: number): Window {
    const now_ms = performance.now();
    const before = this.#windows.get(name);
    const goesOn = before && now_ms < before.began_ms + this.#window_ms;
    const window = goesOn ? before : { count: 0, began_ms: now_ms };
    window.count += count;
    this.#windows.delete(name);
    this.#windows.set(name, window);
    if (this.#windows.size > this.#most) this.#windows.delete(this.#windows.keys().next().value!);
    return window;
  }
}
