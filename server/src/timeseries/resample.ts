/** How a query may thin out readings: each as it is, or the mean of each second, minute, hour … */
export const resamples = [
  "none",
  "second",
  "minute",
  "hour",
  "day",
  "week",
  "month",
  "quarter",
  "year",
] as const;
export type Resample = (typeof resamples)[number];

/** A span of Unix seconds, both ends included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}
