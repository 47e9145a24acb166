import type { Message } from "./merge.ts";

/** Someone who listens, in one way or another. */
export interface Listener {
  /** Whether what it was told is on its way, and there is room for more. */
  isReady(): boolean;
  /** Hears from now on what is told to all who follow these cells, or no longer. */
  join(cellIds: readonly number[]): void;
  leave(cellIds: readonly number[]): void;
  /** Tells it alone. */
  tell(message: Message): void;
}

/** A way of listening, by which many are told at once. */
export interface Channel {
  /** How many have joined a cell. */
  countJoined(cellId: number): number;
  tellAll(cellId: number, message: Message): void;
}
