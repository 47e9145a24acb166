/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * Gives the schemas of a document names: each that has a `title` stands once, under that name, and is referred to from
 * wherever it is used. Programs that write clients make a type of each.
 *
 * @param responses answers that many routes have, by their names: they stand once too
 * @throws Error where two different schemas have the same title
 */
export function nameSchemas(document: object, responses: object): JsonObject {
  const whole = asObject(toJson(document));
  const { components = {}, paths = {}, ...rest } = whole;
  const named = new Map<string, JsonObject>();
  const shared = asObject(hoist(toJson(responses), named));
  const names = new Map(Object.entries(shared).map(([name, one]) => [JSON.stringify(one), name]));
  const described = refer(hoist(paths, named), names);
  const schemas = Object.fromEntries([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...rest,
    components: { ...asObject(components), responses: shared, schemas },
    paths: described,
  };
}

function hoist(value: Json, named: Map<string, JsonObject>): Json {
  if (isList(value)) return value.map((item) => hoist(item, named));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(
    ([key, item]) => [key, isExample(key) ? item : hoist(item, named)] as const,
  );
  const hoisted = Object.fromEntries(entries);
  const { title } = hoisted;
  if (typeof title !== "string") return hoisted;
  keep(title, hoisted, named);
  return { $ref: `#/components/schemas/${title}` };
}

/** Puts references in the places of answers that have a name. */
function refer(value: Json, names: ReadonlyMap<string, string>): Json {
  if (isList(value)) return value.map((item) => refer(item, names));
  if (!isObject(value)) return value;
  const name = "content" in value ? names.get(JSON.stringify(value)) : undefined;
  if (name !== undefined) return { $ref: `#/components/responses/${name}` };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, refer(item, names)]));
}

/** Where a schema is all of a body, its examples stand beside it. */
function keep(title: string, schema: JsonObject, named: Map<string, JsonObject>): void {
  const known = named.get(title);
  if (known && bare(known) !== bare(schema))
    throw new Error(`two schemas of the API document have the title ${title}`);
  if (!known || "examples" in schema) named.set(title, schema);
}

function toJson(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

function isExample(key: string): boolean {
  return key === "example" || key === "examples";
}

function bare(schema: JsonObject): string {
  return JSON.stringify(schema, (key, value: Json) => (key === "examples" ? undefined : value));
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null;
}

function asObject(value: Json): JsonObject {
  return isObject(value) ? value : {};
}
