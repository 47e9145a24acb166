import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Has V8 keep what is young apart and small, in a process that runs for months; to be called before much is loaded. */
export function boundYoungGeneration(): void {
  // What loading needed is plenty for young objects; left to itself, V8 takes some 100 MB for them in a long answer.
  setGrowth(1);
}

/** Enough for uploads to be answered before what they left is looked through. */
const enough_bytes = 32 * 2 ** 20;
/** Under load the space doubles a few times a second. */
const look_ms = 50;

/** The same in a process that takes uploads. */
export function boundYoungGenerationForUploads(): void {
  boundYoungGeneration();
  // They wait for their commit: V8 takes what is young then for something that lasts.
  setFlagsFromString("--no-allocation-site-pretenuring");
  // V8 makes the space as small as it can in quiet times, where the next load would find it: collections took a fifth
  // of the processor, instead of a twentieth.
  let mayGrow = false;
  setInterval(() => {
    const wasAllowed = mayGrow;
    mayGrow = youngSpace_bytes() < enough_bytes;
    if (mayGrow !== wasAllowed) setGrowth(mayGrow ? 2 : 1);
  }, look_ms).unref();
}

function setGrowth(factor: 1 | 2): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

function youngSpace_bytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!.space_size;
}
