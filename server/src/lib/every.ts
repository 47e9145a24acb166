import { setTimeout } from "node:timers/promises";

/** Something that is done again and again. */
export interface Repetition {
  /** Ends it; waits for the turn in flight. */
  stop(): Promise<void>;
}

/**
 * Does something at once, and again when the interval has passed since its end.
 *
 * @param interval_ms a function is asked after each turn
 * @param act is told by the signal to come to an end
 * @param onError a turn that fails is followed by the next one
 */
export function every(
  interval_ms: number | (() => number),
  act: (signal: AbortSignal) => Promise<unknown>,
  onError: (error: unknown) => void,
): Repetition {
  const stopping = new AbortController();
  const { signal } = stopping;
  const done = (async () => {
    while (!signal.aborted) {
      await act(signal).catch(onError);
      const pause_ms = typeof interval_ms === "number" ? interval_ms : interval_ms();
      await setTimeout(pause_ms, undefined, { signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}
