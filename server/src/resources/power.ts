import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import { readStreams } from "../timeseries/read.ts";
import { jsonOrForm, namedTypes, receipt, sentValues } from "./by-name.ts";
import type { ReadingDeps } from "./deps.ts";
import { openDoor } from "./door.ts";
import {
  CellParameter,
  formatTimestamps,
  plainJson,
  ReadingQuery,
  Timestamps,
  toQuery,
  Values,
} from "./query.ts";

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
      await requireReadable(deps.db, caller, params.cell);
      const { timestamp, columns } = await readStreams(
        deps.reads,
        params.cell,
        streams,
        toQuery(query, deps.clock()),
      );
      const [v, i, p] = columns;
      return { timestamp: formatTimestamps(timestamp, query), v: v!, i: i!, p: p! };
    },
  );
};
