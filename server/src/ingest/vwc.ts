import type { VwcUnit } from "../store/loggers.ts";

/**
 * Volumetric water content in percent.
 *
 * In February 2026 the firmware began to send percent where it had sent a fraction, under the same name. Where
 * nobody has said what a logger sends, a value in (0, 1] is taken for a fraction.
 *
 * @param value as the device sent it
 * @param unit what the device is known to send
 */
export function toPercent(value: number, unit: VwcUnit | undefined): number {
  const isFraction = unit === undefined ? value > 0 && value <= 1 : unit === "fraction";
  return isFraction ? value * 100 : value;
}
