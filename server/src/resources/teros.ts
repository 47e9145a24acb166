import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { terosStreams } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import { jsonOrForm, namedTypes, receipt, sentValues } from "./by-name.ts";
import type { ReadingDeps } from "./deps.ts";
import { openDoor } from "./door.ts";
import { CellParameter, plainJson, ReadingQuery, readSpan, Timestamps, Values } from "./query.ts";

const Teros = Type.Object({
  timestamp: Timestamps,
  vwc: Values,
  temp: Values,
  ec: Values,
  raw_vwc: Values,
  vwc_unit: Type.String(),
  raw_vwc_unit: Type.String(),
});

/** `/teros`: a cell's soil moisture (%), temperature (°C) and conductivity (µS/cm), and the older upload by names. */
export const teros: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  openDoor(app, deps, {
    url: "/teros",
    takes: namedTypes,
    formatOf: jsonOrForm("teros/json", "teros/form"),
    answer: (stored, request) => {
      const keys = ["vwc", "temp", "ec", "raw_vwc", "water_pot"];
      const [vwc, temp, ec, raw_vwc, water_pot] = keys.map(sentValues(request));
      return { ...receipt(stored), vwc, temp, ec, raw_vwc, water_pot };
    },
  });

  const schema = {
    params: Type.Object({ cell: CellParameter }),
    querystring: ReadingQuery,
    response: { 200: Teros },
  };
  app.get(
    "/teros/:cell",
    { schema, serializerCompiler: plainJson },
    async ({ params, query, caller }) => {
      const streams = [terosStreams.vwc, terosStreams.temp, terosStreams.ec, terosStreams.raw_vwc];
      const { timestamp, columns } = await readSpan(deps, caller, params.cell, streams, query);
      const [vwc, temp, ec, raw_vwc] = columns;
      return {
        timestamp,
        vwc: vwc!,
        temp: temp!,
        ec: ec!.map((value) => (value === null ? null : Math.trunc(value))),
        raw_vwc: raw_vwc!,
        vwc_unit: terosStreams.vwc.unit,
        raw_vwc_unit: terosStreams.raw_vwc.unit,
      };
    },
  );
};
