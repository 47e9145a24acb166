import { Label, Timestamp } from "@ents-backend/schemas/fields";
import { measurementTypes, waterPotentialStream } from "@ents-backend/schemas/measurement";
import { Type } from "typebox";
import type { Decoded, Value } from "../uplink.ts";
import { parseForm, parseJson, parser } from "./parse.ts";

/** Voltage and current of a cell, by the names of cell and logger. */
export const NamedPower = Type.Object({
  cell: Label,
  logger: Type.Optional(Label),
  ts: Timestamp,
  v: Type.Number({ description: "V" }),
  i: Type.Number({ description: "A" }),
});

/** What a TEROS-12 measured, by the names of cell and logger. */
export const NamedTeros = Type.Object({
  cell: Label,
  logger: Type.Optional(Label),
  ts: Timestamp,
  vwc: Type.Number({ description: "% or a fraction" }),
  temp: Type.Number({ description: "°C" }),
  ec: Type.Number({ description: "µS/cm" }),
  raw_vwc: Type.Optional(Type.Number()),
  water_pot: Type.Optional(Type.Number({ description: "kPa" })),
});

const parsePower = parser(NamedPower);
const parseTeros = parser(NamedTeros);

/** Decodes the older power form, `{cell, logger, ts, v, i}` with names, V and A. @throws Refusal */
export function decodePowerByName(body: unknown): Decoded {
  const { cell, logger, ts, v, i } = parsePower(body);
  return byName(cell, logger, ts, readKeys("power", { voltage: v, current: i }));
}

/** Decodes the older TEROS form, `{cell, ts, vwc, raw_vwc, temp, ec, water_pot}` with names. @throws Refusal */
export function decodeTerosByName(body: unknown): Decoded {
  const { cell, logger, ts, vwc, temp, ec, raw_vwc, water_pot } = parseTeros(body);
  const values = readKeys("teros12", { vwcRaw: raw_vwc, vwcAdj: vwc, temp, ec });
  if (water_pot !== undefined)
    values.push({ stream: waterPotentialStream, dataType: "float", value: water_pot });
  return byName(cell, logger, ts, values);
}

/** Parses JSON in which an optional key may be null. */
export function jsonBody(payload: Uint8Array): unknown {
  const body = parseJson(payload);
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/** Parses a form: numbers come as text, and an empty field is an absent one. */
export function formBody(payload: Uint8Array): unknown {
  const names = new Set(["cell", "logger", "type"]);
  return Object.fromEntries(
    Object.entries(parseForm(payload))
      .filter(([, text]) => text.trim() !== "")
      .map(([key, text]) => [key, names.has(key) ? text : Number(text)]),
  );
}

function byName(
  cell: string,
  logger: string | undefined,
  ts: number,
  values: readonly Value[],
): Decoded {
  const reference = logger === undefined ? undefined : { name: logger.trim() };
  return { measurements: [{ cell: { name: cell.trim() }, logger: reference, ts, values, idx: 0 }] };
}

function readKeys(
  type: "power" | "teros12",
  data: Readonly<Record<string, number | undefined>>,
): Value[] {
  return measurementTypes[type]!.flatMap(({ field, stream, dataType, factor }) => {
    const value = data[field];
    if (value === undefined) return [];
    return [
      {
        stream,
        dataType: Number.isInteger(value) ? dataType : ("float" as const),
        value: value * factor,
      },
    ];
  });
}
