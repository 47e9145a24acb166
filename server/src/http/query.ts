import { Type, type Static } from "typebox";
import { readTime, type TimeParameter } from "../lib/time-parameter.ts";
import { timestampFormats, type TimestampFormat } from "../timeseries/columns.ts";
import { resamples, type Range } from "../timeseries/resample.ts";
import type { Query } from "../timeseries/resolve.ts";
import { isZone, unknownZone } from "../timeseries/zone.ts";

/**
 * A cell's number in a path or a query. Whole by its `multipleOf`: text on its way to an integer would lose its
 * fraction unseen, and 1.5 be cell 1.
 */
export const CellParameter = Type.Number({
  minimum: 1,
  maximum: 2 ** 31 - 1,
  multipleOf: 1,
  description: "a cell's number",
  examples: [1],
});

const usualPoints = 1_000;

/** How readings are thinned out. */
export const Thinning = Type.Object({
  resample: Type.Optional(
    Type.Enum([...resamples, "auto"], {
      description:
        "Mean of each …, stamped with its start; auto: the finest of them that gives at most `points`, and says which",
    }),
  ),
  points: Type.Optional(
    Type.Number({
      minimum: 1,
      maximum: 10_000,
      multipleOf: 1,
      description: `With resample=auto: how many instants or buckets at most; default: ${usualPoints}`,
    }),
  ),
  tz: Type.Optional(
    Type.String({
      maxLength: 64,
      description:
        "Zone of the IANA database (America/Los_Angeles) whose days, weeks, months, quarters and years are meant; " +
        "default: UTC. Narrower buckets are UTC's",
    }),
  ),
  envelope: Type.Optional(
    Type.Boolean({ description: "Least and greatest value of each bucket too, as min and max" }),
  ),
  timestamps: Type.Optional(
    Type.Enum([...timestampFormats], { description: "How instants are written" }),
  ),
});

const time = "RFC 1123, ISO 8601 or Unix seconds";
export const StartTime = Type.Optional(
  Type.String({ description: `${time}, included; default: a month before the end` }),
);
export const EndTime = Type.Optional(
  Type.String({ description: `${time}, included; default: now` }),
);

/** The parameters of the older paths that read a span of readings. */
export const ReadingQuery = Type.Interface([Thinning], {
  startTime: StartTime,
  endTime: EndTime,
  stream: Type.Optional(
    Type.Boolean({ description: "Every reading, ordered and stamped by the time of its arrival" }),
  ),
});
export type ReadingQuery = Static<typeof ReadingQuery>;

/** Timestamps as the query asks for them. */
export const Timestamps = Type.Array(Type.Union([Type.String(), Type.Number()]));

/** One value for each timestamp; null where a stream has none. */
export const Values = Type.Array(Type.Union([Type.Number(), Type.Null()]));

/** What `resample=auto` came to. */
export const Resampled = Type.Enum([...resamples], { description: "What auto has chosen" });

/**
 * What a query asks for, by its parameters.
 *
 * @throws KnownError when its zone isn't one
 */
export function toQuery(
  {
    resample = "hour",
    points = usualPoints,
    tz = "UTC",
    envelope = false,
    timestamps,
  }: Static<typeof Thinning>,
  range: Range,
  usualTimestamps: TimestampFormat,
): Query {
  if (!isZone(tz)) throw unknownZone();
  return {
    range,
    resample,
    points,
    tz,
    envelope,
    timestamps: timestamps ?? usualTimestamps,
  };
}

/**
 * The range between two times: from a month before the end, up to now, unless they say otherwise.
 *
 * @param now Unix seconds
 * @throws KnownError when one of them is no time, naming it
 */
export function toRange(startTime: TimeParameter, endTime: TimeParameter, now: number): Range {
  const end = readTime(endTime) ?? now;
  return { start: readTime(startTime) ?? monthBefore(end), end };
}

/** The same time of the same day a month earlier, or of the last day where that month is too short. */
function monthBefore(seconds: number): number {
  const date = new Date(seconds * 1000);
  const day = date.getUTCDate();
  date.setUTCMonth(date.getUTCMonth() - 1);
  if (date.getUTCDate() !== day) date.setUTCDate(0);
  return Math.max(0, date.getTime() / 1000);
}
