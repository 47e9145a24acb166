import { findMeasurementType, type MeasurementField } from "@ents-backend/schemas/measurement";
import { findSensorType, powerStream, type DataType } from "@ents-backend/schemas/sensor";
import { CellNumber, LoggerNumber, Label, Timestamp } from "@ents-backend/schemas/fields";
import { Type, type Static } from "typebox";
import { invalidMeasurement } from "../refusal.ts";
import type { Decoded, Value } from "../uplink.ts";
import { parser } from "./parse.ts";

const mostKeys = 64;

/** A measurement of a version-1 type, or of one that nobody has described: numbers by their names. */
export const PlainMeasurement = Type.Object({
  type: Label,
  cellId: CellNumber,
  loggerId: Type.Optional(LoggerNumber),
  ts: Timestamp,
  data: Type.Record(Type.String(), Type.Unknown(), { maxProperties: mostKeys }),
});
type PlainMeasurement = Static<typeof PlainMeasurement>;

const parsePlain = parser(PlainMeasurement);
const parseKey = parser(Label, "a key of data");

/** Decodes a plain measurement, `{type, cellId, loggerId, ts, data}`. @throws Refusal */
export function decodePlain(body: unknown): Decoded {
  const { type, cellId, loggerId, ts, data } = parsePlain(body);
  if (type === powerStream.name)
    throw invalidMeasurement("power is made here, of voltage and current");
  const fields = findMeasurementType(type);
  const values = fields ? readFields(type, fields, data) : readAnything(type, data);
  const logger = loggerId === undefined ? undefined : { id: loggerId };
  return { measurements: [{ cell: { id: cellId }, logger, ts, values, idx: 0 }] };
}

function readFields(
  type: string,
  fields: readonly MeasurementField[],
  data: PlainMeasurement["data"],
): Value[] {
  return fields.flatMap(({ field, stream, dataType, factor, optional }) => {
    const alias = stream.name === type ? stream.measurement : field;
    const value = data[field] ?? data[alias];
    if (value === undefined && optional) return [];
    if (value === undefined) throw invalidMeasurement(`data.${field} is missing`);
    if (typeof value !== "number") throw invalidMeasurement(`data.${field} must be a number`);
    const kept: DataType = Number.isInteger(value) ? dataType : "float";
    return [{ stream, dataType: kept, value: value * factor }];
  });
}

/** A type that nobody has described yet: each number becomes a stream of its own, without a unit. */
function readAnything(type: string, data: PlainMeasurement["data"]): Value[] {
  const entries = Object.entries(data);
  if (entries.length === 0) throw invalidMeasurement("data is empty");
  return entries.map(([key, value]) => {
    const measurement = parseKey(key);
    if (typeof value !== "number") throw invalidMeasurement(`data.${key} must be a number`);
    const known = findSensorType(type);
    const stream = known?.measurement === key ? known : { name: type, measurement, unit: "" };
    return { stream, dataType: Number.isInteger(value) ? "int" : "float", value };
  });
}
