import type { StopSignal } from "./stop-signal.ts";

const linger_ms = 2000;

/** For how long who is to stop keeps connections whose next request may be on its way: someone at a terminal doesn't wait. */
export function lingerOf(signal: StopSignal | "gone"): number {
  return signal === "SIGINT" ? 0 : linger_ms;
}
