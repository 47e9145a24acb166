import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { terosStreams } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import { NamedTeros } from "../ingest/codecs/by-name.ts";
import { findColumns } from "../timeseries/read.ts";
import { jsonOrForm, namedTypes, receipt, sentValues } from "./by-name.ts";
import { gap } from "../http/columnar.ts";
import { compressed } from "../http/compression.ts";
import type { ReadingDeps } from "../http/deps.ts";
import type { Door } from "../http/door.ts";
import { CellParameter, ReadingQuery, Resampled, Timestamps, Values } from "../http/query.ts";
import { sendSpan } from "../http/span.ts";
import { receiptOf } from "../http/upload-schemas.ts";

const Lists = Type.Object(
  { vwc: Values, temp: Values, ec: Values, raw_vwc: Values },
  { title: "TerosLists" },
);
const Teros = Type.Interface(
  [Lists],
  {
    timestamp: Timestamps,
    vwc_unit: Type.String(),
    raw_vwc_unit: Type.String(),
    min: Type.Optional(Lists),
    max: Type.Optional(Lists),
    resample: Type.Optional(Resampled),
  },
  {
    title: "Teros",
    examples: [
      {
        timestamp: ["Mon, 01 Jan 2024 00:00:00 GMT"],
        vwc: [23.5],
        temp: [18.25],
        ec: [120],
        raw_vwc: [2150],
        vwc_unit: "%",
        raw_vwc_unit: "raw",
      },
    ],
  },
);

const terosKeys = ["vwc", "temp", "ec", "raw_vwc", "water_pot"];

/** The older upload of what a TEROS-12 measured, by names. */
export const terosDoor: Door = {
  url: "/teros",
  described: {
    operationId: "uploadTeros",
    summary: "Uploads what a TEROS-12 measured, by the names of cell and logger",
    takes: namedTypes("NamedTeros", NamedTeros),
    answers: { "application/json": receiptOf("TerosReceipt", terosKeys) },
  },
  formatOf: jsonOrForm("teros/json", "teros/form"),
  answer: (stored, request) => {
    const [vwc, temp, ec, raw_vwc, water_pot] = terosKeys.map(sentValues(request));
    return { ...receipt(stored), vwc, temp, ec, raw_vwc, water_pot };
  },
};

/** `/teros`: a cell's soil moisture (%), temperature (°C) and conductivity (µS/cm). */
export const teros: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  const schema = {
    operationId: "readTeros",
    summary: "Soil moisture, temperature and conductivity of a cell",
    params: Type.Object({ cell: CellParameter }),
    querystring: ReadingQuery,
    response: { 200: Teros },
  };
  app.get("/teros/:cell", { ...compressed, schema }, async ({ params, query, caller }, reply) => {
    await requireReadable(deps.db, caller, params.cell);
    const { vwc, temp, ec, raw_vwc } = terosStreams;
    const streams = [vwc, temp, { ...ec, whole: true }, raw_vwc];
    const columns = await findColumns(deps.reads, params.cell, streams);
    const members = { ...lists, vwc_unit: vwc.unit, raw_vwc_unit: raw_vwc.unit };
    return await sendSpan(deps, reply, query, { columns, members, bounds: lists });
  });
};

const lists = { vwc: gap, temp: gap, ec: gap, raw_vwc: gap };
