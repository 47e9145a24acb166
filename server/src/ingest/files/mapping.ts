import { Mapping } from "@ents-backend/schemas/import";
import type { Stream } from "@ents-backend/schemas/sensor";
import { findNamedStream } from "@ents-backend/schemas/stream-name";
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
    // A byte order mark is white space, but not to JSON.
    return JSON.parse(text.trim());
  } catch {
    throw badMapping({ problem: "it is no JSON" });
  }
}

/** The stream that a mapping means. @throws KnownError when it names one that isn't known */
export function findStream(sensor: Mapping["values"][number]["sensor"]): Stream {
  if (typeof sensor !== "string") return sensor;
  const stream = findNamedStream(sensor);
  if (stream) return stream;
  const problem = `there is no sensor ${JSON.stringify(sensor)}; one of your own is {"name": …, "measurement": …, "unit": …}`;
  throw badMapping({ problem });
}
