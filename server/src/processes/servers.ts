import { setTimeout as sleep } from "node:timers/promises";
import { deadline } from "../lib/deadline.ts";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Example } from "../store/demo.ts";
import type { Told } from "./messages.ts";
import { Relay } from "./relay.ts";
import { ServerProcess, type Beginning } from "./server-process.ts";
import { Tally } from "./tally.ts";

const didNotStart = defineError(
  "unavailable",
  "processes_not_started",
  "no process of the server starts: the lines above say why",
);

interface ServersOptions extends Omit<Beginning, "onTold"> {
  readonly log: Log;
}

const shortestPause_ms = 100;
const longestPause_ms = 10_000;
/** While nobody serves: nodes send once. */
const longestOutage_ms = 500;
/** One that has served that long has begun well. */
const begun_ms = 60_000;
/** How often none may come up in a row while nobody serves. */
const mostFailures = 8;
const measuring_ms = 2000;

/** Processes that serve at one port: each that dies is followed by another one. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #serving = new Set<ServerProcess>();
  readonly #beginning = new Set<ServerProcess>();
  readonly #tally = new Tally<ServerProcess>();
  readonly #relay = new Relay<ServerProcess>((server, notes) => server.ask({ is: "noted", notes }));
  readonly #stopping = new AbortController();
  /** Ends the pauses of all who are to come back, since nobody serves. */
  #outage = new AbortController();
  readonly #example = Promise.withResolvers<Example | undefined>();
  readonly #failed = Promise.withResolvers<never>();
  #count = 0;

  constructor(options: ServersOptions) {
    this.#options = options;
    this.#failed.promise.catch(() => {});
  }

  /** A cell and logger to try an upload with, once one of them knows. */
  get example(): Promise<Example | undefined> {
    return this.#example.promise;
  }

  /** Rejected when nobody serves, and nobody comes up. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /**
   * Begins them. They load side by side, and the first one serves alone at first: it makes what all need, and what is
   * wrong is told once.
   *
   * @throws KnownError when it doesn't come up
   */
  async start(count: number): Promise<void> {
    this.#count = count;
    const [first, ...others] = Array.from({ length: count }, () => this.#load());
    if (!(await this.#begin(first))) {
      await Promise.all(others.map((server) => server.stop()));
      throw didNotStart();
    }
    const began = await Promise.all(others.map(async (server) => await this.#begin(server)));
    for (const isServing of began) if (!isServing) void this.#bringBack();
  }

  /**
   * Replaces them one after the other: each goes only once its successor serves.
   *
   * @returns false when a new one didn't come up: the old ones go on then
   */
  async replace(count: number): Promise<boolean> {
    const old = [...this.#serving];
    for (let nth = 0; nth < count; nth += 1) {
      if (this.#stopping.signal.aborted || !(await this.#begin())) return false;
      await old.shift()?.stop();
    }
    this.#count = count;
    await Promise.all(old.map((server) => server.stop()));
    return true;
  }

  /** Ends all of them, after what is under way. */
  async stop(signal: "SIGINT" | "SIGTERM"): Promise<void> {
    this.#stopping.abort();
    this.#example.resolve(undefined);
    const all = [...this.#serving, ...this.#beginning];
    await Promise.all(all.map((server) => server.stop(signal)));
  }

  #load(): ServerProcess {
    const onTold = (from: ServerProcess, told: Told): void => this.#hear(from, told);
    const server = new ServerProcess({ ...this.#options, onTold });
    this.#beginning.add(server);
    return server;
  }

  /** @returns whether it serves now; it is watched then */
  async #begin(server = this.#load(), pause_ms = shortestPause_ms): Promise<boolean> {
    server.ask({ is: "serve" });
    const unlisten = whenAborted(this.#stopping.signal, () => void server.stop());
    const isServing = await server.serving;
    this.#beginning.delete(server);
    unlisten();
    if (!isServing) return false;
    this.#serving.add(server);
    this.#relay.add(server);
    void this.#watch(server, pause_ms);
    return true;
  }

  async #watch(server: ServerProcess, pause_ms: number): Promise<void> {
    const began = performance.now();
    const end = await server.ended;
    this.#serving.delete(server);
    this.#tally.retire(server);
    this.#relay.remove(server);
    if (server.isLeaving || this.#stopping.signal.aborted) return;
    if (this.#serving.size === 0) {
      this.#outage.abort();
      this.#outage = new AbortController();
    }
    this.#options.log.warn({ ...end }, "a process of the server ended: another one begins");
    const hasBegunWell = performance.now() - began > begun_ms;
    await this.#bringBack(hasBegunWell ? shortestPause_ms : pause_ms);
  }

  /** Tries until there are as many as there are to be. */
  async #bringBack(first_ms = shortestPause_ms): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    for (let pause_ms = first_ms; !signal.aborted; pause_ms = longer(pause_ms)) {
      await this.#pause(pause_ms);
      if (signal.aborted || this.#serving.size >= this.#count) return;
      if (await this.#begin(this.#load(), longer(pause_ms))) return;
      failures += 1;
      if (this.#serving.size === 0 && failures >= mostFailures) this.#failed.reject(didNotStart());
    }
  }

  async #pause(pause_ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, this.#outage.signal]);
    const isOutage = this.#serving.size === 0;
    const ms = isOutage ? Math.min(pause_ms, longestOutage_ms) : pause_ms;
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  #hear(from: ServerProcess, told: Told): void {
    if (told.is === "example") this.#example.resolve(told.example);
    if (told.is === "measured") this.#tally.note(from, told.snapshot);
    if (told.is === "noted") this.#relay.pass(from, told.notes);
    if (told.is === "gather") void this.#gather(from);
  }

  /** Tells one what all of them count; of one that doesn't say, what it said before. */
  async #gather(asker: ServerProcess): Promise<void> {
    const measured = [...this.#serving].map((server) => server.measure());
    await deadline(measuring_ms, Promise.all(measured)).catch(() => {});
    asker.ask({ is: "gathered", snapshots: await this.#tally.read() });
  }
}

function longer(pause_ms: number): number {
  return Math.min(2 * pause_ms, longestPause_ms);
}

/** @returns what forgets it */
function whenAborted(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) act();
  signal.addEventListener("abort", act, { once: true });
  return () => signal.removeEventListener("abort", act);
}
