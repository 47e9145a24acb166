import { setImmediate } from "node:timers/promises";

/** Whoever an export is made for. */
export interface ExportWork {
  /** Ends it where it is. */
  readonly signal: AbortSignal;
  /** Is told how far it is, from 0 to 1, and in words. */
  readonly report: (fraction: number, doing: string) => void;
}

/** Lets whatever else this process does come first: uploads wait for the same thread. */
export async function giveWay({ signal }: Pick<ExportWork, "signal">): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
