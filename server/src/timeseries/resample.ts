import { resampleNames, type Resample } from "@ents-backend/schemas/resample";
import { hour_s, minute_s } from "../lib/duration.ts";

export type { Resample };

/** A span of Unix seconds, both ends included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Units of the calendar: as long as they are in a zone. */
const calendarUnits = ["day", "week", "month", "quarter", "year"] as const;
export type CalendarUnit = (typeof calendarUnits)[number];

/** How readings are brought together: not at all, by seconds counted from 1970, or by the calendar. */
export type Buckets =
  | { readonly kind: "none" }
  | { readonly kind: "width"; readonly width_s: number }
  | { readonly kind: "calendar"; readonly unit: CalendarUnit };

/** What a query may ask for, and its buckets. */
const bucketsOf = {
  none: { kind: "none" },
  second: width(1),
  "2 seconds": width(2),
  "5 seconds": width(5),
  "10 seconds": width(10),
  "15 seconds": width(15),
  "30 seconds": width(30),
  minute: width(minute_s),
  "2 minutes": width(2 * minute_s),
  "5 minutes": width(5 * minute_s),
  "10 minutes": width(10 * minute_s),
  "15 minutes": width(15 * minute_s),
  "30 minutes": width(30 * minute_s),
  hour: width(hour_s),
  "2 hours": width(2 * hour_s),
  "3 hours": width(3 * hour_s),
  "6 hours": width(6 * hour_s),
  "12 hours": width(12 * hour_s),
  day: { kind: "calendar", unit: "day" },
  week: { kind: "calendar", unit: "week" },
  month: { kind: "calendar", unit: "month" },
  quarter: { kind: "calendar", unit: "quarter" },
  year: { kind: "calendar", unit: "year" },
} as const satisfies Readonly<Record<Resample, Buckets>>;

/** The plain ones first, as people ask for them; then the multiples. */
export const resamples = resampleNames.toSorted(
  (a, b) => Number(/^\d/.test(a)) - Number(/^\d/.test(b)),
);

/** From the narrowest to the widest, without `none`. */
export const ladder = resampleNames.filter((name) => name !== "none");

/** The buckets that the name of a width, as `2 hours`, means. */
export function toBuckets(resample: Resample): Buckets {
  return bucketsOf[resample];
}

/** Whether the buckets are made of whole hours, or of what a zone makes of hours: rollups answer them. */
export function isOfHours(buckets: Buckets): boolean {
  return buckets.kind === "calendar" || (buckets.kind === "width" && buckets.width_s >= hour_s);
}

function width<const Seconds extends number>(width_s: Seconds) {
  return { kind: "width", width_s } as const;
}
