import { systemClock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { ProgressBar } from "../lib/progress.ts";
import type { Totals } from "../store/backup/manifest.ts";

/** `1,234 rows of 17 tables`. */
export function describeTotals(totals: Totals): string {
  const rows = Object.values(totals).reduce((sum, one) => sum + one, 0);
  const tables = Object.values(totals).filter((one) => one > 0).length;
  return `${count(rows, "row")} of ${count(tables, "table")}`;
}

/** `46.6 kB`, `1.2 MB`. */
export function describeSize(bytes: number): string {
  const [size, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${size.toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
}

/** Passes chunks on, and tells how long each was. */
export async function* measured<Chunk extends Uint8Array>(
  chunks: AsyncIterable<Chunk>,
  tell: (bytes: number) => void,
): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) {
    tell(chunk.length);
    yield chunk;
  }
}

interface RowBar {
  /** @param expected of how many rows, where that is known */
  readonly update: (rows: number, expected: number | undefined) => void;
  readonly clear: () => void;
}

/** Shows how many rows are done, of about how many. */
export function openRowBar(label: string): RowBar {
  let bar: ProgressBar | undefined;
  return {
    update(rows, totalBytes) {
      // Rows stand for bytes: they differ little in size.
      bar ??= new ProgressBar({
        output: process.stderr,
        clock: systemClock,
        label,
        unit: "rows",
        totalBytes,
      });
      bar.update({ count: rows, bytes: rows });
    },
    clear: () => bar?.clear(),
  };
}
