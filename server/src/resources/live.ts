import { Readable } from "node:stream";
import { Cursor } from "@ents-backend/schemas/live-events";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { isDatabaseAway } from "../db/fault.ts";
import { mostCells } from "../streaming/admission.ts";
import { parseCursor } from "../streaming/cursor.ts";
import type { Live } from "../streaming/live.ts";
import { credentialsOf } from "../http/caller.ts";
import { parsePossibleCells } from "../http/sought.ts";

const eventStream = "text/event-stream";
/** How soon who listens comes again while the database is away. */
const retryAway_ms = 5000;

const LiveQuery = Type.Object({
  cells: Type.String({
    maxLength: 12_000,
    examples: ["1,2"],
    description: `Numbers of cells: 1,2; ${mostCells} at most. \`subscribed\` says which of them can't be read`,
  }),
  cursor: Type.Optional(Cursor),
});

const LiveHeaders = Type.Object({
  "last-event-id": Type.Optional({ ...Cursor, description: "As `cursor`; browsers send it" }),
});

/** `/live?cells=`: what is stored in some cells, as it is stored, as Server-Sent Events. */
export const live: FastifyPluginAsyncTypebox<{ channel: Live }> = async (app, { channel }) => {
  const schema = {
    operationId: "followCells",
    summary: "What is stored in some cells, as it is stored",
    problems: ["not_found", "gone"] as const,
    description:
      "Events: `subscribed`, then `measurement_received` for each stored measurement, `readings_merged` where " +
      "they are too many to be told one by one, `cursor`, `subscribe_error`, `server_closing`; docs/live.md",
    querystring: LiveQuery,
    headers: LiveHeaders,
    produces: [eventStream],
    response: { 200: Type.String() },
  };
  app.get("/live", { schema, exposeHeadRoute: false }, async (request, reply) => {
    const { query, headers, ip: address } = request;
    const cursor = headers["last-event-id"] ?? query.cursor;
    const order = {
      shown: credentialsOf(request),
      address,
      cellIds: parsePossibleCells(query.cells, mostCells),
      after: cursor === undefined ? undefined : parseCursor(cursor),
    };
    try {
      const { body } = await channel.openStream(order);
      return sendEvents(reply, body);
    } catch (error) {
      if (!isDatabaseAway(error) || headers.accept !== eventStream) throw error;
      // A browser comes again after an answer that ends, and never after one that isn't 200.
      return sendEvents(reply, Readable.from([`retry: ${retryAway_ms}\n\n`]));
    }
  });
};

function sendEvents(reply: FastifyReply, events: Readable): FastifyReply {
  // nginx would hold events back until it has a page of them.
  reply.headers({ "Cache-Control": "no-store", "X-Accel-Buffering": "no" });
  return reply.type(`${eventStream}; charset=utf-8`).send(events);
}
