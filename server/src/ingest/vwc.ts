import type { VwcUnit } from "../store/loggers.ts";

/**
 * Volumetric water content in percent.
 *
 * In February 2026 the firmware began to send percent where it had sent a fraction, under the same name. Where
 * nobody has said what a logger sends, a value in (0, 1] is taken for a fraction.
 *
 * @param value as the device sent it
 * @param unit what the device is known to send; undefined or `each`: it isn't known
 * @returns null where it is more than a number can be, which only a corrupted message has: a reading without a value
 */
export function toPercent(value: number, unit: VwcUnit | "each" | undefined): number | null {
  const isGuess = unit === undefined || unit === "each";
  const isFraction = isGuess ? value > 0 && value <= 1 : unit === "fraction";
  const percent = isFraction ? value * 100 : value;
  return Number.isFinite(percent) ? percent : null;
}
