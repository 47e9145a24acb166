import { isOfHours, ladder, toBuckets, type Range, type Resample } from "./resample.ts";
import type { Measured } from "./measure.ts";
import { countUnits } from "./zone.ts";

/** Readings that may be gone through for one answer: beyond that, rollups answer, however wide their buckets. */
const mostRead = 250_000;

interface Choice {
  /** Where there are readings. */
  readonly range: Range;
  /** How many instants or buckets a sensor's answer may have. */
  readonly points: number;
  /** The zone of days and longer buckets. */
  readonly tz: string;
  readonly measured: readonly Pick<Measured, "readings">[];
  /** How many instants an answer has that thins out nothing. */
  readonly instants: number;
}

/**
 * Chooses the finest buckets that are few enough: every reading as it is, where these are not too many; else the
 * narrowest of the ladder, but none under an hour where too many readings would have to be gone through.
 */
export function chooseResample({ range, points, tz, measured, instants }: Choice): Resample {
  if (instants <= points) return "none";
  const total = measured.reduce((sum, { readings }) => sum + readings, 0);
  const fits = (resample: Resample): boolean =>
    (total <= mostRead || isOfHours(toBuckets(resample))) &&
    countBuckets(resample, range, tz) <= points;
  return ladder.find(fits) ?? "year";
}

/** How many buckets a range touches. */
export function countBuckets(resample: Resample, range: Range, tz: string): number {
  const buckets = toBuckets(resample);
  if (range.start > range.end) return 0;
  if (buckets.kind === "none") return Infinity;
  if (buckets.kind === "calendar") return countUnits(buckets.unit, range, tz);
  const { width_s } = buckets;
  return Math.floor(range.end / width_s) - Math.floor(range.start / width_s) + 1;
}
