import type { VwcUnit } from "../../store/loggers.ts";
import { hasVwc } from "./rocketlogger.ts";
import type { Part } from "./read.ts";

/** What a file holds VWC in, and what tells. */
export type VwcDecision =
  | { readonly unit: VwcUnit; readonly because: "told" }
  /** No fraction is over 1. */
  | {
      readonly unit: "percent";
      readonly because: "value_over_1";
      readonly line: number;
      readonly value: number;
    }
  /** Not one of the positive values is over 1. */
  | {
      readonly unit: "fraction";
      readonly because: "no_value_over_1";
      readonly positiveValues: number;
    };

/**
 * Decides what a file holds VWC in, for the file as a whole, whatever its header says: a fraction, unless there
 * is a value that can't be one.
 *
 * @param see is called with each part that had to be read
 * @returns undefined when the file has no VWC
 */
export async function decideVwcUnit(
  parts: AsyncIterable<Part>,
  see: (part: Part) => void,
): Promise<VwcDecision | undefined> {
  let positiveValues = 0;
  for await (const part of parts) {
    see(part);
    if (!hasVwc(part.layout)) return undefined;
    for (const { line, row } of part.rows) {
      const value = row.values.vwc ?? 0;
      if (value > 1) return { unit: "percent", because: "value_over_1", line, value };
      if (value > 0) positiveValues++;
    }
  }
  return { unit: "fraction", because: "no_value_over_1", positiveValues };
}
