import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import { jsonOrForm, namedTypes, receipt, sentValues } from "./by-name.ts";
import type { ReadingDeps } from "./deps.ts";
import { openDoor } from "./door.ts";
import { CellParameter, plainJson, ReadingQuery, readSpan, Timestamps, Values } from "./query.ts";

const Power = Type.Object({ timestamp: Timestamps, v: Values, i: Values, p: Values });

/** `/power`: a cell's voltage (mV), current (µA) and power (µW), and the older upload by names. */
export const power: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  openDoor(app, deps, {
    url: "/power",
    takes: namedTypes,
    formatOf: jsonOrForm("power/json", "power/form"),
    answer: (stored, request) => {
      const sent = sentValues(request);
      return { ...receipt(stored), voltage: sent("v"), current: sent("i") };
    },
  });

  const schema = {
    params: Type.Object({ cell: CellParameter }),
    querystring: ReadingQuery,
    response: { 200: Power },
  };
  app.get(
    "/power/:cell",
    { schema, serializerCompiler: plainJson },
    async ({ params, query, caller }) => {
      const streams = [powerStreams.v, powerStreams.i, powerStreams.p];
      const { timestamp, columns } = await readSpan(deps, caller, params.cell, streams, query);
      const [v, i, p] = columns;
      return { timestamp, v: v!, i: i!, p: p! };
    },
  );
};
