import { Cursor, ReadingsSince } from "@ents-backend/schemas/live-events";
import { streamNames } from "@ents-backend/schemas/stream-name";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import { listReadable } from "../auth/access.ts";
import type { Db } from "../db/connect.ts";
import { mostCells } from "../streaming/admission.ts";
import { formatCursor, parseCursor } from "../streaming/cursor.ts";
import {
  findLogEnd,
  listArrivals,
  type ArrivedReading,
  type LogPart,
  type LogPosition,
} from "../timeseries/arrivals.ts";
import { parsePossibleCells } from "../http/sought.ts";

const usualLimit = 1000;
/** How much of the log one answer looks at, where little of it is for these cells. */
const mostParts = 20;

const SinceQuery = Type.Object(
  {
    cells: Type.String({
      maxLength: 12_000,
      examples: ["1,2"],
      description:
        "Numbers of cells: 1,2. Those that don't exist, or aren't the caller's to read, are left out",
    }),
    cursor: Type.Optional({
      ...Cursor,
      description: "Of an event or an answer; default: the end, from which one can go on",
    }),
    limit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 10_000,
        multipleOf: 1,
        description: `Readings at most, but for those of one message; default: ${usualLimit}`,
      }),
    ),
  },
  { additionalProperties: false },
);

/** `/readings/since?cursor=&cells=`: what was stored after a cursor, derived power with it. */
export const since: FastifyPluginAsyncTypebox<{ deps: { db: Db } }> = async (
  app,
  { deps: { db } },
) => {
  const schema = {
    operationId: "readReadingsSince",
    summary: "What was stored after a cursor",
    problems: ["gone"] as const,
    description:
      "What was stored after a cursor, in the order in which it was: for who was cut off",
    querystring: SinceQuery,
    response: { 200: ReadingsSince },
  };
  app.get("/readings/since", { schema }, async ({ query, caller }, reply) => {
    const { cursor, limit = usualLimit } = query;
    const cellIds = await listReadable(db, caller, parsePossibleCells(query.cells, mostCells));
    const after = cursor === undefined ? await findLogEnd(db) : parseCursor(cursor);
    const part = await readOn(db, after, cellIds, limit);
    reply.header("Cache-Control", "no-store");
    return {
      readings: part.readings.map(toAnswer),
      cursor: formatCursor(part.next),
      more: !part.isWhole,
    };
  });
};

/** The next part in which there is something. */
async function readOn(
  db: Db,
  after: LogPosition,
  cellIds: readonly number[],
  limit: number,
): Promise<LogPart> {
  let part = await listArrivals(db, { after, cellIds, limit });
  for (let parts = 1; parts < mostParts && !part.isWhole && part.readings.length === 0; parts += 1)
    part = await listArrivals(db, { after: part.next, cellIds, limit });
  return part;
}

function toAnswer(reading: ArrivedReading): ReadingsSince["readings"][number] {
  const { cellId, name, measurement, unit, ts, value, loggerId, receivedAt } = reading;
  return {
    cell_id: cellId,
    sensor: streamNames(reading)[0]!,
    name,
    measurement,
    unit,
    timestamp: ts,
    value,
    logger_id: loggerId,
    received_at: receivedAt,
  };
}
