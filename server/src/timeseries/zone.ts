import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { isValueUnknown } from "../db/fault.ts";
import { day_s } from "../lib/duration.ts";
import { defineError } from "../lib/errors.ts";
import type { CalendarUnit, Range } from "./resample.ts";

export const unknownZone = defineError(
  "invalid",
  "unknown_zone",
  "tz must be UTC or the name of a zone in the IANA database, as America/Los_Angeles",
);

const tooManyBuckets = defineError(
  "invalid",
  "too_many_buckets",
  "this is more than {most} buckets: ask for wider ones, or for a shorter time",
);

/** Days of almost three centuries. */
const mostBuckets = 100_000;

/**
 * Whether this is a zone's name in the IANA database. Names without a place (`CET`) don't count, but for UTC: to
 * PostgreSQL they are an offset, the same in summer and winter, and so are signs and numbers, the other way round.
 */
export function isZone(name: string): boolean {
  if (name === "UTC") return true;
  if (!/^[A-Za-z][\w+-]*\/[\w+/-]+$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name }).format();
    return true;
  } catch {
    return false;
  }
}

/**
 * The starts of a zone's buckets, ascending, Unix seconds: from before the range to its end. A day begins with the
 * first instant after the last one of the day before, also where midnight comes twice or not at all.
 *
 * @throws KnownError where the database doesn't know the zone, or there are too many
 */
export async function listStarts(
  db: Db,
  tz: string,
  unit: CalendarUnit,
  range: Range,
): Promise<number[]> {
  if (countUnits(unit, range, tz) > mostBuckets) throw tooManyBuckets({ most: mostBuckets });
  const step = sql`${unit === "quarter" ? "3 months" : `1 ${unit}`}::interval`;
  const { rows } = await sql<{ start: number }>`
    select distinct extract(epoch from
      (local - interval '1 microsecond') at time zone ${tz} + interval '1 microsecond')::float8 as start
    from generate_series(
      date_trunc(${unit}, to_timestamp(${range.start}) at time zone ${tz}) - ${step},
      to_timestamp(${range.end}) at time zone ${tz}, ${step}) as local
    order by start`
    .execute(db)
    .catch((error: unknown) => {
      throw isValueUnknown(error) ? unknownZone() : error;
    });
  return rows.map(({ start }) => start);
}

/** How many days, weeks … of a zone's calendar a range touches. */
export function countUnits(unit: CalendarUnit, { start, end }: Range, tz: string): number {
  const numberOf = numbers[unit];
  return numberOf(localDate(end, tz)) - numberOf(localDate(start, tz)) + 1;
}

interface LocalDate {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  /** Since 1970-01-01, a Thursday. */
  readonly days: number;
}

/** The number of the unit that a date is in, counted from some first one. */
const numbers: Readonly<Record<CalendarUnit, (date: LocalDate) => number>> = {
  day: ({ days }) => days,
  week: ({ days }) => Math.floor((days + 3) / 7),
  month: ({ year, month }) => year * 12 + month,
  quarter: ({ year, month }) => year * 4 + Math.floor((month - 1) / 3),
  year: ({ year }) => year,
};

function localDate(seconds: number, timeZone: string): LocalDate {
  const format = new Intl.DateTimeFormat("en-u-ca-iso8601", {
    timeZone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
  });
  const parts = Object.fromEntries(
    format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 0, day = 0 } = parts as Partial<Record<string, number>>;
  return { year, month, days: Date.UTC(year, month - 1, day) / 1000 / day_s };
}
