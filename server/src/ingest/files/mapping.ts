import { measurementTypes, waterPotentialStream } from "@ents-backend/schemas/measurement";
import { Mapping } from "@ents-backend/schemas/import";
import { powerStream, sensorTypes, type Stream } from "@ents-backend/schemas/sensor";
import { streamNames } from "@ents-backend/schemas/stream-name";
import { Value } from "typebox/value";
import { defineError } from "../../lib/errors.ts";
import { describeSchemaError } from "../../lib/schema-error.ts";
import { compileTimeFormat } from "./time-format.ts";

const badMapping = defineError("invalid", "bad_mapping", "the mapping is not right: {problem}");

/**
 * Reads a mapping, and sees that what it names is known.
 *
 * @throws KnownError that says what is wrong with it
 */
export function parseMapping(value: unknown): Mapping {
  if (!Value.Check(Mapping, value)) {
    const [error] = Value.Errors(Mapping, value);
    throw badMapping({ problem: describeSchemaError(error, "it") });
  }
  compileTimeFormat(value.time.format, value.time.zone);
  if ((value.time.column === undefined) === (value.time.columns === undefined))
    throw badMapping({ problem: "time needs either a column or columns" });
  for (const { sensor } of value.values) findStream(sensor);
  return value;
}

/** @throws KnownError when the text is no JSON, or no mapping */
export function parseMappingText(text: string): Mapping {
  return parseMapping(parseJson(text));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badMapping({ problem: "it is no JSON" });
  }
}

const streams: readonly Stream[] = [
  ...sensorTypes,
  powerStream,
  waterPotentialStream,
  ...Object.values(measurementTypes).flatMap((fields) => fields.map(({ stream }) => stream)),
];
const byName = new Map(
  streams.flatMap(({ name, measurement, unit }) =>
    streamNames({ name, measurement }).map((known) => [known, { name, measurement, unit }]),
  ),
);

/** The stream that a mapping means. @throws KnownError when it names one that isn't known */
export function findStream(sensor: Mapping["values"][number]["sensor"]): Stream {
  if (typeof sensor !== "string") return sensor;
  const stream = byName.get(sensor);
  if (stream) return stream;
  const problem = `there is no sensor ${JSON.stringify(sensor)}; one of your own is {"name": …, "measurement": …, "unit": …}`;
  throw badMapping({ problem });
}

/** The stream that is called so here, or `name.measurement` of one that isn't known, in the unit that goes with it. */
export function toStream(called: string, unit: string): Stream {
  const known = byName.get(called);
  if (known) return { ...known, unit };
  const dot = called.indexOf(".");
  return dot < 0
    ? { name: called, measurement: called, unit }
    : { name: called.slice(0, dot), measurement: called.slice(dot + 1), unit };
}
