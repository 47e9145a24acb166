import { Connection } from "./connection.ts";
import { openSource, type Source, type SourceSpec } from "./source.ts";

export interface LoadSpec {
  readonly port: number;
  readonly connections: number;
  readonly source: SourceSpec;
  /** Uploads per second in all; undefined: each connection as fast as it is answered. */
  readonly rate?: number;
  /** Undefined: until the source has no more, or the load is told to stop. */
  readonly duration_s?: number;
}

export interface LoadResult {
  /** Those that were answered 200. */
  readonly uploads: number;
  /** How many were answered otherwise, or not at all, by status or reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** From the moment when a request was due, whether or not a connection was free for it then. */
  readonly latency_ms: Percentiles;
  /** What the load itself took of the machine. */
  readonly cpu_s: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

/** How long the last requests are waited for. */
const patience_ms = 30_000;

/** Uploads over some connections, at a fixed rate or as fast as it goes, and measures. */
export class Load {
  readonly #spec: LoadSpec;
  readonly #source: Source;
  readonly #connections: Connection[] = [];
  readonly #idle: number[] = [];
  /** By connection, when the request on it was due; undefined: none is on its way. */
  readonly #due: (number | undefined)[] = [];
  readonly #latencies: number[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #finished = Promise.withResolvers<void>();
  #start = 0;
  #end = Infinity;
  #lastAnswer = 0;
  #sent = 0;
  #uploads = 0;

  constructor(spec: LoadSpec) {
    this.#spec = spec;
    this.#source = openSource(spec.source, spec.connections);
  }

  async run(): Promise<LoadResult> {
    await this.#connectAll();
    this.#start = performance.now();
    if (this.#spec.duration_s !== undefined)
      this.#end = Math.min(this.#end, this.#start + this.#spec.duration_s * 1000);
    const ticker = setInterval(() => this.#pump(), 1);
    this.#pump();
    await this.#finished.promise;
    clearInterval(ticker);
    for (const connection of this.#connections) connection.close();
    return this.#result();
  }

  /** Sends no more; what is on its way is waited for. */
  stop(): void {
    this.#end = performance.now();
  }

  async #connectAll(): Promise<void> {
    const opened = Array.from({ length: this.#spec.connections }, (_, nth) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#connect(nth, resolve);
      return promise;
    });
    await Promise.all(opened);
  }

  #connect(nth: number, opened: () => void): void {
    this.#connections[nth] = new Connection(this.#spec.port, {
      onOpen: () => {
        this.#idle.push(nth);
        opened();
      },
      onAnswer: (status) => this.#answered(nth, status),
      onBroken: (reason) => this.#broken(nth, reason, opened),
    });
  }

  #answered(nth: number, status: number): void {
    const now = performance.now();
    this.#latencies.push(now - this.#due[nth]!);
    this.#due[nth] = undefined;
    this.#lastAnswer = now;
    if (status === 200) this.#uploads += 1;
    else this.#fail(String(status));
    this.#idle.push(nth);
    this.#pump();
  }

  #broken(nth: number, reason: string, opened: () => void): void {
    if (this.#due[nth] !== undefined) this.#fail(reason);
    this.#due[nth] = undefined;
    const place = this.#idle.indexOf(nth);
    if (place >= 0) this.#idle.splice(place, 1);
    setTimeout(() => this.#connect(nth, opened), 20);
  }

  #fail(reason: string): void {
    this.#failures[reason] = (this.#failures[reason] ?? 0) + 1;
  }

  /** Sends what is due, on as many connections as are free. */
  #pump(): void {
    const now = performance.now();
    for (let due = this.#nextDue(now); due < this.#end && due <= now; due = this.#nextDue(now)) {
      // In turn: one that is never used is taken for one that never will be.
      const nth = this.#idle.shift();
      if (nth === undefined) return;
      const request = this.#source.next(nth);
      if (!request) this.#end = now;
      else this.#send(nth, request, due);
    }
    if (now >= this.#end && this.#isOver(now)) this.#finished.resolve();
  }

  #send(nth: number, request: Buffer, due: number): void {
    this.#due[nth] = due;
    this.#sent += 1;
    this.#connections[nth]!.send(request);
  }

  #nextDue(now: number): number {
    const { rate } = this.#spec;
    return rate === undefined ? now : this.#start + (this.#sent * 1000) / rate;
  }

  /** At a fixed rate also what came too late to be sent in time is sent, before it is over. */
  #isOver(now: number): boolean {
    if (now > this.#end + patience_ms) return true;
    return this.#due.every((due) => due === undefined) && this.#nextDue(now) >= this.#end;
  }

  #result(): LoadResult {
    const { user, system } = process.cpuUsage();
    return {
      uploads: this.#uploads,
      failures: this.#failures,
      seconds: (this.#lastAnswer - this.#start) / 1000,
      latency_ms: percentilesOf(this.#latencies),
      cpu_s: (user + system) / 1e6,
    };
  }
}

function percentilesOf(latencies: readonly number[]): Percentiles {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1) };
}
