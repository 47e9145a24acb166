import { deadline } from "../lib/deadline.ts";
import type { Log } from "../lib/log.ts";

/** Which beginning of which task is meant: one that is rung twice is rung once. */
export interface Ring {
  readonly id: string;
  /** How often it was begun before. */
  readonly attempts: number;
}

/**
 * Tells workers that a task waits; which ones there are, and what they are about, only the database knows. A ring may be
 * lost or come twice: what nobody took is rung again.
 */
export interface Bell {
  /** @throws where it can't be rung now; within a second or so */
  ring(ring: Ring): Promise<void>;
  /**
   * Has workers hear it until they stop: whatever it hangs on may go away and come back.
   *
   * @param take does the task with that id; never rejected
   * @param atOnce how many are taken at the same time
   */
  listen(take: (id: string) => Promise<void>, atOnce: number): Listener;
  /** Whether it can be rung, as far as is known. */
  isUp(): boolean;
  close(): Promise<void>;
}

export interface Listener {
  /** Nothing is taken from then on, at once; waits for what was. */
  stop(): Promise<void>;
}

const longestRing_ms = 1000;

/** Rings, where that can be done soon. */
export async function tryRing(bell: Bell, ring: Ring, log: Log): Promise<void> {
  try {
    await deadline(longestRing_ms, bell.ring(ring));
  } catch (error) {
    log.debug(
      { err: error, task: ring.id },
      "a task could not be rung now, and will be by a worker",
    );
  }
}
