import type { Batch } from "./batch.ts";

/** Someone who listens, in one way or another. */
export interface Listener {
  /** Whether what it was told is on its way, and there is room for more. */
  isReady(): boolean;
  tell(batch: Batch): void;
}
