import type { FastifyInstance } from "fastify";
import { mediaType } from "./media-type.ts";

/** What of a JSON schema tells how a text is to be read. */
export interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/**
 * A form's fields are all text: reads them as what the route's schema wants, so that forms are checked like JSON.
 * What can't be read stays text, for the check to name it. An empty field is null where it may be, and otherwise
 * not given. Lists are written `1,2`, or as one field each.
 */
export function readForms(app: FastifyInstance): void {
  app.addHook("preValidation", (request, _reply, done) => {
    const { body } = request.routeOptions.schema ?? {};
    const properties = propertiesOf(body as Schema | undefined);
    if (properties && mediaType(request) === "application/x-www-form-urlencoded")
      request.body = readFields(properties, request.body as Readonly<Record<string, Field>>);
    done();
  });
}

/** The properties of an object, or of the one among alternatives. */
export function propertiesOf(schema: Schema | undefined): Schema["properties"] {
  return [schema, ...(schema?.anyOf ?? [])].find((one) => one?.properties)?.properties;
}

/** A field that stands more than once is a list. */
type Field = string | readonly string[];

function readFields(
  properties: Readonly<Record<string, Schema>>,
  fields: Readonly<Record<string, Field>>,
): Record<string, unknown> {
  const known = Object.entries(fields).filter(([key]) => Object.hasOwn(properties, key));
  return Object.fromEntries(
    known
      .map(([key, field]) => [key, readField(properties[key]!, field)] as const)
      .filter(([, value]) => value !== undefined),
  );
}

function readField(schema: Schema, field: Field): unknown {
  const alternatives = schema.anyOf ?? [schema];
  const list = alternatives.find(({ type }) => type === "array");
  if (list) return readList(list.items ?? {}, [field].flat());
  const text = [field].flat().at(-1) ?? "";
  if (text === "") return alternatives.some(({ type }) => type === "null") ? null : undefined;
  return readText(schema, text);
}

function readList(items: Schema, fields: readonly string[]): unknown[] {
  return fields
    .flatMap((field) => field.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => readText(items, text));
}

/** A text as the number or boolean that a schema wants; as it is, where it can't be read so. */
export function readText(schema: Schema, text: string): unknown {
  const types = new Set((schema.anyOf ?? [schema]).map(({ type }) => type));
  if ((types.has("number") || types.has("integer")) && decimal.test(text)) return Number(text);
  if (types.has("boolean")) return booleans.get(text.toLowerCase()) ?? text;
  return text;
}

const decimal = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i;
const booleans = new Map([
  ["true", true],
  ["1", true],
  ["on", true],
  ["false", false],
  ["0", false],
  ["off", false],
]);
