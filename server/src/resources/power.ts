import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import { NamedPower } from "../ingest/codecs/by-name.ts";
import { findColumns } from "../timeseries/read.ts";
import { jsonOrForm, namedTypes, receipt, sentValues } from "./by-name.ts";
import { gap } from "../http/columnar.ts";
import { compressed } from "../http/compression.ts";
import type { ReadingDeps } from "../http/deps.ts";
import type { Door } from "../http/door.ts";
import { CellParameter, ReadingQuery, Resampled, Timestamps, Values } from "../http/query.ts";
import { sendSpan } from "../http/span.ts";
import { receiptOf } from "../http/upload-schemas.ts";

const Lists = Type.Object({ v: Values, i: Values, p: Values }, { title: "PowerLists" });
const Power = Type.Interface(
  [Lists],
  {
    timestamp: Timestamps,
    min: Type.Optional(Lists),
    max: Type.Optional(Lists),
    resample: Type.Optional(Resampled),
  },
  {
    title: "Power",
    examples: [{ timestamp: ["Mon, 01 Jan 2024 00:00:00 GMT"], v: [850], i: [120], p: [102] }],
  },
);

/** The older upload of a voltage and a current, by names. */
export const powerDoor: Door = {
  url: "/power",
  described: {
    operationId: "uploadPower",
    summary: "Uploads voltage and current, by the names of cell and logger",
    takes: namedTypes("NamedPower", NamedPower),
    answers: { "application/json": receiptOf("PowerReceipt", ["voltage", "current"]) },
  },
  formatOf: jsonOrForm("power/json", "power/form"),
  answer: (stored, request) => {
    const sent = sentValues(request);
    return { ...receipt(stored), voltage: sent("v"), current: sent("i") };
  },
};

/** `/power`: a cell's voltage (mV), current (µA) and power (µW). */
export const power: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  const schema = {
    operationId: "readPower",
    summary: "Voltage, current and power of a cell",
    params: Type.Object({ cell: CellParameter }),
    querystring: ReadingQuery,
    response: { 200: Power },
  };
  app.get("/power/:cell", { ...compressed, schema }, async ({ params, query, caller }, reply) => {
    await requireReadable(deps.db, caller, params.cell);
    const { v, i, p } = powerStreams;
    const columns = await findColumns(deps.reads, params.cell, [v, i, p]);
    return await sendSpan(deps, reply, query, { columns, members: lists, bounds: lists });
  });
};

const lists = { v: gap, i: gap, p: gap };
