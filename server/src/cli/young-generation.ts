import { setFlagsFromString } from "node:v8";

/** Has V8 keep what is young apart and small, in a process that runs for months; to be called before much is loaded. */
export function boundYoungGeneration(): void {
  // What loading needed is plenty for young objects; left to itself, V8 takes some 100 MB for them in a long answer.
  setFlagsFromString("--semi-space-growth-factor=1");
}

/** The same in a process that takes uploads. */
export function boundYoungGenerationForUploads(): void {
  boundYoungGeneration();
  // They wait for their commit: V8 takes what is young then for something that lasts.
  setFlagsFromString("--no-allocation-site-pretenuring");
}
