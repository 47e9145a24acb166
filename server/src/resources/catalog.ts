import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { powerStreams, terosStreams } from "@ents-backend/schemas/measurement";
import type { Stream } from "@ents-backend/schemas/sensor";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import type { Caller } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { listSensorsWithReadings, type Sensor } from "../timeseries/sensors.ts";

const idMissing = defineError("invalid", "cell_id_missing", "cell_id parameter is required");
const idInvalid = defineError("invalid", "cell_id_invalid", "Invalid cell_id format");

const Entry = Type.Object(
  {
    panel_id: Type.String(),
    label: Type.String(),
    description: Type.String(),
    category: Type.String(),
    kind: Type.Enum(["builtin", "sensor"]),
    sensor_id: Type.Optional(Type.Integer()),
    sensor_name: Type.Optional(Type.String()),
    measurement: Type.Optional(Type.String()),
    unit: Type.Optional(Type.String()),
  },
  { title: "CatalogEntry" },
);
type Entry = Type.Static<typeof Entry>;

/** Charts that older dashboards have ready, and the streams that each of them shows. */
const builtins: readonly (Entry & { readonly streams: readonly Stream[] })[] = [
  builtin("power-vi", "Voltage & Current", "power · voltage & current", "power", [
    powerStreams.v,
    powerStreams.i,
  ]),
  builtin("power-p", "Power", "power · µW", "power", [powerStreams.v, powerStreams.i]),
  builtin("teros", "VWC & EC", "teros · volumetric water & conductivity", "teros", [
    terosStreams.vwc,
    terosStreams.ec,
    terosStreams.raw_vwc,
  ]),
  builtin("temp", "Temperature", "teros · °C", "teros", [terosStreams.temp]),
];

/** `/catalog/sensors?cell_id=`: what can be charted of a cell. */
export const catalog: FastifyPluginAsyncTypebox<{ deps: { db: Db } }> = async (
  app,
  { deps: { db } },
) => {
  const schema = {
    operationId: "getCatalog",
    summary: "What can be charted of a cell",
    problems: ["not_found"] as const,
    querystring: Type.Object({ cell_id: Type.Optional(Type.String()) }),
    response: { 200: Type.Object({ cell_id: Type.Integer(), entries: Type.Array(Entry) }) },
  };
  app.get("/catalog/sensors", { schema, config: { errorKey: "error" } }, async (request) => {
    const cellId = parseId(request.query.cell_id);
    const sensors = cellId < 2 ** 31 ? await listCharted(db, request.caller, cellId) : [];
    return { cell_id: cellId, entries: [...builtinEntries(sensors), ...sensors.map(sensorEntry)] };
  });
};

async function listCharted(db: Db, caller: Caller, cellId: number): Promise<Sensor[]> {
  await requireReadable(db, caller, cellId);
  return await listSensorsWithReadings(db, cellId);
}

function builtin(
  panel_id: string,
  label: string,
  description: string,
  category: string,
  streams: readonly Stream[],
) {
  return { panel_id, label, description, category, kind: "builtin" as const, streams };
}

function builtinEntries(sensors: readonly Sensor[]): Entry[] {
  const names = new Set(sensors.map(({ name }) => name));
  return builtins
    .filter(({ streams }) => streams.some(({ name }) => names.has(name)))
    .map(({ panel_id, label, description, category, kind }) => ({
      panel_id,
      label,
      description,
      category,
      kind,
    }));
}

function sensorEntry({ id, name, measurement, unit }: Sensor): Entry {
  return {
    panel_id: `s:${id}`,
    label: measurement,
    description: [name, measurement, unit].filter((part) => part !== "").join(" · "),
    category: "generic",
    kind: "sensor",
    sensor_id: id,
    sensor_name: name,
    measurement,
    unit,
  };
}

function parseId(text: string | undefined): number {
  if (text === undefined) throw idMissing();
  if (!/^\d{1,15}$/.test(text)) throw idInvalid();
  return Number(text);
}
