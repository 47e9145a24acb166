/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * Gives the schemas of a document names: each that has a `title` stands once, under that name, and is referred to from
 * wherever it is used. Programs that write clients make a type of each.
 *
 * @param shared headers, and answers that refer to them, that many routes have, by their names: they stand once too
 * @throws Error where two different schemas have the same title
 */
export function nameSchemas(
  document: JsonObject,
  shared: { readonly headers: object; readonly responses: object },
): JsonObject {
  const { components, paths = {}, ...rest } = document;
  const named = new Map<string, JsonObject>();
  const common = asObject(hoist(toJson(shared), named));
  const described = refer(hoist(paths, named), refsTo(common));
  const schemas = Object.fromEntries([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...rest, components: { ...asObject(components), ...common, schemas }, paths: described };
}

/** The references to what stands once, by what it is. */
function refsTo(common: JsonObject): Map<string, string> {
  return new Map(
    Object.entries(common).flatMap(([kind, all]) =>
      Object.entries(asObject(all)).map(
        ([name, one]) => [JSON.stringify(one), `#/components/${kind}/${name}`] as const,
      ),
    ),
  );
}

function hoist(value: Json, named: Map<string, JsonObject>): Json {
  if (isList(value)) return value.map((item) => hoist(item, named));
  if (!isObject(value)) return value;
  const hoisted = mapValues(value, (item, key) => (isExample(key) ? item : hoist(item, named)));
  const { title } = hoisted;
  if (typeof title !== "string") return hoisted;
  keep(title, hoisted, named);
  return { $ref: `#/components/schemas/${title}` };
}

/** Puts references in the places of headers, and then of answers, that have a name. */
function refer(value: Json, refs: ReadonlyMap<string, string>): Json {
  if (isList(value)) return value.map((item) => refer(item, refs));
  if (!isObject(value)) return value;
  const referring = mapValues(value, (item) => refer(item, refs));
  const $ref = "description" in value ? refs.get(JSON.stringify(referring)) : undefined;
  return $ref === undefined ? referring : { $ref };
}

/** Where a schema is all of a body, its examples stand beside it. */
function keep(title: string, schema: JsonObject, named: Map<string, JsonObject>): void {
  const known = named.get(title);
  if (known && bare(known) !== bare(schema))
    throw new Error(`two schemas of the API document have the title ${title}`);
  if (!known || "examples" in schema) named.set(title, schema);
}

/** A value as it is once it is written and read. */
export function toJson(value: object): Json {
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

/** Whether a value has keys: an object or a list, not null. */
export function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null;
}

/** The same keys with other values. */
export function mapValues(
  value: JsonObject,
  change: (item: Json, key: string) => Json,
): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item, key)]));
}

/** A value that has keys, as it is; anything else as an object without any. */
export function asObject(value: Json | undefined): JsonObject {
  return value !== undefined && isObject(value) ? value : {};
}

/** A list as it is; anything else as an empty one. */
export function asList(value: Json | undefined): readonly Json[] {
  return value !== undefined && isList(value) ? value : [];
}
