import { Value } from "typebox/value";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";

const api = useApi();

describe("GET /api/openapi.json", () => {
  it("is what docs/openapi.json says: `npm run openapi` writes it, and a change of the API shows in review", async () => {
    const document = await readDocument();
    await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot(
      "../../../docs/openapi.json",
    );
  });

  it("has an example of every parameter, of every property of a body, and of every answer that is no error", async () => {
    const without = eachPart(await readDocument())
      .filter(({ examples }) => examples.length === 0)
      .map(({ where }) => where);
    expect(without).toEqual([]);
  });

  it("has examples that its schemas allow", async () => {
    const wrong = eachPart(await readDocument()).flatMap(({ where, schema, examples }) =>
      examples
        .filter((example) => !Value.Check(schema, example))
        .map((example) => `${where}: ${JSON.stringify(example)}`),
    );
    expect(wrong).toEqual([]);
  });

  it("says once what each header is", async () => {
    const { components, paths } = await readDocument();
    const answers = Object.values(paths).flatMap((path) =>
      Object.values(path).flatMap(({ responses }) => Object.values(responses)),
    );
    const described = answers.flatMap((answer) => Object.entries(answer.headers ?? {}));
    expect(described.length).toBeGreaterThan(100);
    for (const [name, header] of described)
      expect(header).toEqual({ $ref: `#/components/headers/${name}` });
    expect(Object.keys(components.headers)).toContain("Retry-After");
  });
});

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly examples?: readonly unknown[];
}

interface Media {
  readonly schema: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly (Media & { readonly name: string })[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly headers?: object; readonly content?: Readonly<Record<string, Media>> }
    >
  >;
}

interface Document {
  readonly components: Readonly<Record<string, Readonly<Record<string, Schema>>>> & {
    readonly headers: object;
  };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Part {
  readonly where: string;
  readonly schema: Schema;
  readonly examples: readonly unknown[];
}

async function readDocument(): Promise<Document> {
  return (await api.get("/api/openapi.json")).json<Document>();
}

/** Each part of requests and answers that must have an example, with those that it has; schemas are whole. */
function eachPart({ components, paths }: Document): Part[] {
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  const whole = <Value>(value: Value): Value => resolve(value, components) as Value;
  return operations.flatMap(({ operationId, parameters = [], requestBody, responses }) => [
    ...parameters.map((one) => toPart(`${operationId} ${one.name}`, whole(one))),
    ...Object.values(requestBody?.content ?? {}).flatMap((media) =>
      partsOfBody(operationId, whole(media)),
    ),
    ...Object.entries(responses)
      .filter(([status]) => status.startsWith("2"))
      .flatMap(([status, { content = {} }]) =>
        Object.entries(content).map(([type, media]) =>
          toPart(`${operationId} ${status} ${type}`, whole(media)),
        ),
      ),
  ]);
}

function toPart(where: string, { schema, example, examples = {} }: Media): Part {
  const given = example === undefined ? [] : [example];
  const named = Object.values(examples).map(({ value }) => value);
  return { where, schema, examples: [...given, ...named, ...(schema.examples ?? [])] };
}

function partsOfBody(where: string, media: Media): Part[] {
  const { schema, ...whole } = toPart(where, media);
  const one = schema.anyOf?.[0] ?? schema;
  const parts = Object.entries(one.properties ?? {}).flatMap(([name, property]) =>
    partsOfProperty(`${where} ${name}`, property),
  );
  return whole.examples.length > 0 ? [{ schema, ...whole }, ...parts] : parts;
}

/** Where a property is of several properties, items or forms, these have examples. */
function partsOfProperty(where: string, schema: Schema): Part[] {
  const { examples = [], properties = {}, items, anyOf = [] } = schema;
  const forms = [...anyOf, ...(items ? [items] : [])].filter(({ type }) => type !== "null");
  const inner = [...Object.entries(properties), ...forms.map((form) => ["", form] as const)];
  if (examples.length > 0 || inner.length === 0) return [{ where, schema, examples }];
  return inner.flatMap(([name, one]) => partsOfProperty(`${where} ${name}`.trim(), one));
}

function resolve(value: unknown, components: Document["components"]): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(item, components));
  if (typeof value !== "object" || value === null) return value;
  if ("$ref" in value && typeof value.$ref === "string") {
    const [, , kind = "", name = ""] = value.$ref.split("/");
    return resolve(components[kind]?.[name], components);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, resolve(item, components)]),
  );
}
