import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { describeSchemaError } from "../../lib/schema-error.ts";
import { invalidMeasurement, undecodable } from "../refusal.ts";

/**
 * Compiles a schema into a function that answers what fits it and throws a Refusal that names the key that
 * doesn't.
 *
 * @param what what the value as a whole is called
 */
export function parser<Schema extends TSchema>(
  schema: Schema,
  what = "the body",
): (value: unknown) => Static<Schema> {
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return value;
    throw invalidMeasurement(describeSchemaError(validator.Errors(value)[0], what));
  };
}

/** Reads UTF-8 JSON. @throws Refusal */
export function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decodeText(payload));
  } catch (cause) {
    throw undecodable("JSON", cause);
  }
}

/** Reads `application/x-www-form-urlencoded`; a name that stands twice counts once, with its last value. */
export function parseForm(payload: Uint8Array): Record<string, string> {
  try {
    return Object.fromEntries(new URLSearchParams(decodeText(payload)));
  } catch (cause) {
    throw undecodable("a form", cause);
  }
}

function decodeText(payload: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(payload);
}
