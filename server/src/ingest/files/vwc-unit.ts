import { terosStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, type Stream } from "@ents-backend/schemas/sensor";
import type { VwcUnit } from "../../store/loggers.ts";

/** What a file holds VWC in, and what tells. */
export type VwcDecision =
  | { readonly unit: VwcUnit; readonly because: "told" }
  /** It is what the loggers of the file are set to send. */
  | { readonly unit: VwcUnit; readonly because: "set" }
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
 * The same of files that devices write: a card may go over the day when its node began to send percent, and then each
 * value has to tell for itself, as in uploads.
 */
export type DeviceVwcDecision =
  | VwcDecision
  | { readonly unit: "each"; readonly because: "both_kinds" };

/** Whether it is VWC that stands under one name in percent and as a fraction. */
export function isVwc(stream: Stream): boolean {
  return isSameStream(stream, terosStreams.vwc);
}

/** What tells of the unit in a file, as it is read from its beginning to its end. */
export class VwcEvidence {
  #positive = 0;
  #overOne: { readonly line: number; readonly value: number } | undefined;
  #below = 0;
  #seen = false;

  see(value: number | null, line: number): void {
    this.#seen = true;
    if (value === null || value <= 0) return;
    this.#positive += 1;
    if (value > 1) this.#overOne ??= { line, value };
    else this.#below += 1;
  }

  /** How many positive values could be fractions, and how many there are, where there are both kinds. */
  get mixture(): { readonly below: number; readonly positive: number } | undefined {
    return this.#overOne && this.#below > 0
      ? { below: this.#below, positive: this.#positive }
      : undefined;
  }

  /**
   * What the file as a whole holds VWC in, whatever its header says: a fraction, unless there is a value that can't be
   * one; undefined when it has no VWC.
   */
  decide(): VwcDecision | undefined {
    if (!this.#seen) return undefined;
    if (this.#overOne) return { unit: "percent", because: "value_over_1", ...this.#overOne };
    return { unit: "fraction", because: "no_value_over_1", positiveValues: this.#positive };
  }
}
