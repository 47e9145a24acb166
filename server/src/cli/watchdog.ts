import { Worker } from "node:worker_threads";

/** Longer than anything in this program keeps the event loop, by far. */
const longestStandstill_ms = 60_000;
const beat_ms = 500;

/** What the thread is given. */
export interface Watched {
  /** Grows with each beat of the event loop. */
  readonly beats: Int32Array;
  readonly longest_ms: number;
}

/**
 * Kills this process when its event loop stands still for long, as over a file that was made for that: its tasks are
 * taken for lost then, and another process goes on. By a thread, since nothing else runs meanwhile.
 */
export function killWhenStuck(longest_ms = longestStandstill_ms): void {
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  setInterval(() => Atomics.add(beats, 0, 1), beat_ms).unref();
  const workerData: Watched = { beats, longest_ms };
  new Worker(new URL("watchdog-thread.ts", import.meta.url), { workerData, execArgv: [] }).unref();
}
