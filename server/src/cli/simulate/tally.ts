import { count } from "../../lib/count.ts";
import type { Failure, Outcome } from "./send.ts";

/** How many failures are told one by one. */
const mostTold = 5;

/** Of how many answers, the latest ones, latencies are kept: a stream may run for months. */
const mostLatencies = 10_000;

/** Counts what becomes of uploads. */
export class Tally {
  readonly #start = performance.now();
  readonly #latencies_ms: number[] = [];
  #answers = 0;
  readonly #failures = new Map<string, number>();
  uploads = 0;
  readings = 0;
  failed = 0;

  /** @returns what to tell of it: the first few failures, and that there are more */
  add({ upload, latency_ms, failure }: Outcome): string | undefined {
    this.uploads++;
    if (!failure || failure.status !== undefined)
      this.#latencies_ms[this.#answers++ % mostLatencies] = latency_ms;
    if (!failure) {
      this.readings += upload.readings;
      return undefined;
    }
    this.failed++;
    const kind = failure.status === undefined ? failure.reason : `status ${failure.status}`;
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
    if (this.failed > mostTold + 1) return undefined;
    if (this.failed > mostTold) return "… more failures are counted, not listed";
    const when = new Date(upload.ts * 1000).toISOString();
    return `cell ${upload.cellId}, logger ${upload.loggerId}, ${when}: ${describe(failure)}`;
  }

  /** The whole, at the end. */
  summary(): string {
    const stored = this.uploads - this.failed;
    const lines = [
      `${count(stored, "upload")} stored, with ${count(this.readings, "reading")}; ${this.#rate()}`,
    ];
    if (this.#latencies_ms.length > 0)
      lines.push(`latency: p50 ${this.#quantile(0.5)}, p99 ${this.#quantile(0.99)}`);
    const kinds = [...this.#failures].map(([kind, times]) => `${times} × ${kind}`);
    lines.push(this.failed === 0 ? "0 failed" : `${this.failed} failed: ${kinds.join(", ")}`);
    return lines.join("\n");
  }

  #rate(): string {
    const seconds = (performance.now() - this.#start) / 1000;
    return `${(this.uploads / seconds).toFixed(1)} uploads/s`;
  }

  #quantile(share: number): string {
    const sorted = this.#latencies_ms.toSorted((a, b) => a - b);
    const latency_ms = sorted[Math.ceil(share * sorted.length) - 1]!;
    return `${latency_ms.toFixed(1)} ms`;
  }
}

function describe({ status, reason }: Failure): string {
  return status === undefined ? reason : `status ${status}, ${reason}`;
}
