import { systemClock } from "../lib/clock.ts";
import { ProgressBar } from "../lib/progress.ts";

interface UploadBar {
  /** One more is done. */
  readonly advance: () => void;
  /** Takes the bar away. */
  readonly clear: () => void;
}

/** Shows how many uploads are done, of how many there are. */
export function openUploadBar(label: string, total: number): UploadBar {
  const output = process.stderr;
  // They differ little in size: their number stands for it.
  const sizes = { unit: "uploads", totalBytes: total };
  const bar = new ProgressBar({ output, clock: systemClock, label, ...sizes });
  let count = 0;
  return {
    advance: () => {
      count += 1;
      bar.update({ count, bytes: count });
    },
    clear: () => bar.clear(),
  };
}
