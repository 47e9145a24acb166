import { setImmediate } from "node:timers/promises";
import { findQuarantined, uploadNotFound } from "../store/quarantine-list.ts";
import type { Reader } from "../store/visibility.ts";
import type { Reason } from "./quarantine.ts";
import { replay, type ReplayDeps, type Replayed, type Replayer } from "./replay.ts";

/** What became of many uploads that were replayed. */
export interface ReplayCounts {
  readonly replayed: number;
  readonly stored: number;
  readonly repeated: number;
  readonly conflicting: number;
  readonly still_refused: readonly StillRefused[];
}

interface StillRefused extends Reason {
  readonly id: number;
}

interface ReplayOrder {
  /** Uploads, in the order in which they are replayed. */
  readonly ids: readonly number[];
  /** Who must be allowed to see them. */
  readonly reader: Reader;
  readonly replayer: Replayer;
  /** Whether to end before the next one. */
  readonly isOver?: () => boolean;
  readonly onEach?: () => void;
}

/**
 * Replays uploads one after the other, so that those that come meanwhile hardly wait.
 *
 * @returns the counts, and the last upload that was tried where there are more
 */
export async function replayMany(
  deps: ReplayDeps,
  { ids, reader, replayer, isOver = () => false, onEach = () => {} }: ReplayOrder,
): Promise<{ counts: ReplayCounts; stoppedAfter: number | undefined }> {
  let counts = noCounts;
  let last: number | undefined;
  for (const id of ids) {
    if (last !== undefined && isOver()) return { counts, stoppedAfter: last };
    const upload = await findQuarantined(deps.db, reader, id);
    counts = addReplay(counts, id, upload && (await replay(deps, upload, replayer)));
    last = id;
    onEach();
    await setImmediate();
  }
  return { counts, stoppedAfter: undefined };
}

const noCounts: ReplayCounts = {
  replayed: 0,
  stored: 0,
  repeated: 0,
  conflicting: 0,
  still_refused: [],
};

/** The counts of two runs together. */
function addCounts(a: ReplayCounts, b: ReplayCounts): ReplayCounts {
  return {
    replayed: a.replayed + b.replayed,
    stored: a.stored + b.stored,
    repeated: a.repeated + b.repeated,
    conflicting: a.conflicting + b.conflicting,
    still_refused: [...a.still_refused, ...b.still_refused],
  };
}

function addReplay(counts: ReplayCounts, id: number, replayed: Replayed | undefined): ReplayCounts {
  if (replayed && "written" in replayed)
    return addCounts(counts, { ...replayed.written, replayed: 1, still_refused: [] });
  const { code, message: reason } = uploadNotFound();
  const refused = { id, ...(replayed?.refused ?? { code, reason }) };
  return addCounts(counts, { ...noCounts, still_refused: [refused] });
}
