import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import type { Db } from "../db/connect.ts";
import type { Clock } from "../lib/clock.ts";
import { defineError } from "../lib/errors.ts";
import { formatNaive } from "../lib/time.ts";
import { readExtent } from "../timeseries/extent.ts";

const recent_s = 14 * 24 * 3600;

const idsMissing = defineError("invalid", "cell_ids_missing", "cell_ids parameter is required");
const idsInvalid = defineError("invalid", "cell_ids_invalid", "Invalid cell_ids format");

const Availability = Type.Object(
  {
    latest_timestamp: Type.Union([Type.String(), Type.Null()]),
    earliest_timestamp: Type.Union([Type.String(), Type.Null()]),
    has_recent_data: Type.Boolean(),
    message: Type.String(),
  },
  { title: "Availability" },
);

/** `/data-availability?cell_ids=1,2`: the span of time that some cells have readings of. */
export const dataAvailability: FastifyPluginAsyncTypebox<{
  deps: { db: Db; clock: Clock };
}> = async (app, { deps: { db, clock } }) => {
  const schema = {
    operationId: "getDataAvailability",
    summary: "The span of time that some cells have readings of",
    problems: ["not_found"] as const,
    querystring: Type.Object({ cell_ids: Type.Optional(Type.String({ maxLength: 10_000 })) }),
    response: { 200: Availability },
  };
  app.get("/data-availability", { schema, config: { errorKey: "error" } }, async (request) => {
    const cellIds = parseIds(request.query.cell_ids);
    await requireReadable(db, request.caller, ...cellIds);
    const now = clock();
    const { earliest, latest } = await readExtent(db, cellIds, now);
    if (earliest === null || latest === null) return nothing;
    return {
      latest_timestamp: formatNaive(latest),
      earliest_timestamp: formatNaive(earliest),
      has_recent_data: now - latest <= recent_s,
      message: "success",
    };
  });
};

const nothing = {
  latest_timestamp: null,
  earliest_timestamp: null,
  has_recent_data: false,
  message: "No data found for specified cells",
};

/** Numbers that no cell can have are answered like any cell that there isn't. */
function parseIds(text: string | undefined): number[] {
  if (text === undefined) throw idsMissing();
  const parts = text.split(",").map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,15}$/.test(part))) throw idsInvalid();
  return parts.map(Number).filter((id) => id < 2 ** 31);
}
