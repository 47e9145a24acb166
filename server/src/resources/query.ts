import type { Stream } from "@ents-backend/schemas/sensor";
import type { FastifySerializerCompiler } from "fastify";
import { Type, type Static } from "typebox";
import { requireReadable } from "../auth/access.ts";
import type { Caller } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import { formatIso, formatRfc1123, parseTime } from "../lib/time.ts";
import type { ReadingDeps } from "./deps.ts";
import { resamples, type Range } from "../timeseries/resample.ts";
import { readStreams, type Query } from "../timeseries/read.ts";

const invalidTime = defineError(
  "invalid",
  "invalid_time",
  "{key} is not a time: send RFC 1123 (Sat, 08 Jul 2023 20:00:00 GMT), ISO 8601 or Unix seconds",
);

/**
 * A cell's number in a path or a query. Whole by its `multipleOf`: text on its way to an integer would lose its
 * fraction unseen, and 1.5 be cell 1.
 */
export const CellParameter = Type.Number({ minimum: 1, maximum: 2 ** 31 - 1, multipleOf: 1 });

/** The parameters of every path that reads a span of readings. */
export const ReadingQuery = Type.Object({
  startTime: Type.Optional(
    Type.String({ description: "RFC 1123, ISO 8601 or Unix seconds; default: a month ago" }),
  ),
  endTime: Type.Optional(
    Type.String({ description: "RFC 1123, ISO 8601 or Unix seconds, included; default: now" }),
  ),
  resample: Type.Optional(
    Type.Enum([...resamples], { description: "Mean of each …; default: hour" }),
  ),
  stream: Type.Optional(
    Type.Boolean({ description: "Every reading, ordered and stamped by the time of its arrival" }),
  ),
  timestamps: Type.Optional(Type.Enum(["rfc1123", "iso", "unix"])),
});
export type ReadingQuery = Static<typeof ReadingQuery>;

/** Timestamps as the query asks for them. */
export const Timestamps = Type.Array(Type.Union([Type.String(), Type.Number()]));

/** Serialises long arrays: the framework's serialiser of their schema takes five times as long, and blocks uploads. */
export const plainJson: FastifySerializerCompiler<unknown> = () => JSON.stringify;

/** One value for each timestamp; null where a stream has none. */
export const Values = Type.Array(Type.Union([Type.Number(), Type.Null()]));

/**
 * @param now Unix seconds
 * @throws KnownError when a time can't be read
 */
export function toQuery(
  { startTime, endTime, resample, stream }: ReadingQuery,
  now: number,
): Query {
  return {
    range: toRange(startTime, endTime, now),
    resample: resample ?? "hour",
    stream: stream ?? false,
  };
}

/** Formats Unix seconds as the query asks for: RFC 1123 unless it says otherwise, as older clients parse it. */
export function formatTimestamps(
  seconds: readonly number[],
  { timestamps }: ReadingQuery,
): (string | number)[] {
  if (timestamps === "unix") return [...seconds];
  return seconds.map(timestamps === "iso" ? formatIso : formatRfc1123);
}

/**
 * Reads some streams of a cell, side by side, for who may read it.
 *
 * @throws KnownError when the cell is private and not the caller's to read, or a time can't be read
 */
export async function readSpan(
  { db, reads, clock }: ReadingDeps,
  caller: Caller,
  cellId: number,
  streams: readonly Stream[],
  query: ReadingQuery,
): Promise<{ timestamp: (string | number)[]; columns: (number | null)[][] }> {
  await requireReadable(db, caller, cellId);
  const { timestamp, columns } = await readStreams(reads, cellId, streams, toQuery(query, clock()));
  return { timestamp: formatTimestamps(timestamp, query), columns };
}

function toRange(startTime: string | undefined, endTime: string | undefined, now: number): Range {
  const end = readTime("endTime", endTime) ?? now;
  return { start: readTime("startTime", startTime) ?? monthBefore(end), end };
}

function readTime(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseTime(text);
  if (seconds === undefined) throw invalidTime({ key });
  return seconds;
}

/** The same time of the same day a month earlier, or of the last day where that month is too short. */
function monthBefore(seconds: number): number {
  const date = new Date(seconds * 1000);
  const day = date.getUTCDate();
  date.setUTCMonth(date.getUTCMonth() - 1);
  if (date.getUTCDate() !== day) date.setUTCDate(0);
  return Math.max(0, date.getTime() / 1000);
}
