import type { FastifyReply } from "fastify";
import type { Clock } from "../lib/clock.ts";
import type { Db } from "../db/connect.ts";
import { readByArrival, readTable, sensorsOf, type Column } from "../timeseries/read.ts";
import { resolve } from "../timeseries/resolve.ts";
import { sendTable, gap } from "./columnar.ts";
import { toQuery, toRange, type ReadingQuery } from "./query.ts";

/** What a path answers of a span: its columns, and where they go. */
interface SpanAnswer {
  readonly columns: readonly Column[];
  /** The members beside `timestamp`, with a gap for each column. */
  readonly members: object;
  /** What stands under `min` and `max` where they are asked for, with a gap for each column too. */
  readonly bounds: object;
}

/**
 * Answers some sensors side by side over the span that a query asks for. `resample` says what was chosen, where
 * that was left to us.
 *
 * @throws KnownError when a parameter can't be read
 */
export async function sendSpan(
  { reads, clock }: { readonly reads: Db; readonly clock: Clock },
  reply: FastifyReply,
  query: ReadingQuery,
  { columns, members, bounds }: SpanAnswer,
): Promise<FastifyReply> {
  const range = toRange(["startTime", query.startTime], ["endTime", query.endTime], clock());
  const asked = toQuery(query, range, "rfc1123");
  const chosen = (resample: string) => (asked.resample === "auto" ? { resample } : {});
  if (query.stream) {
    const shape = { timestamp: gap, ...members, ...chosen("none") };
    const arrivals = readByArrival(reads, columns, range, asked.timestamps);
    return await sendTable(reply, shape, arrivals, true);
  }
  const resolved = await resolve(reads, sensorsOf(columns), asked);
  const envelope = resolved.envelope ? { min: bounds, max: bounds } : {};
  const shape = { timestamp: gap, ...members, ...envelope, ...chosen(resolved.resample) };
  return await sendTable(reply, shape, readTable(reads, columns, resolved));
}
