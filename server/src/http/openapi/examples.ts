import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { asList, asObject, isObject, mapValues, type Json, type JsonObject } from "./names.ts";
import { exampleValues } from "./values.ts";

/**
 * Gives an example to each parameter, each part of a request's body and each answer that is no error, where its route gives
 * none: made of what stands for each name, or else of what its schema allows.
 *
 * @throws Error where neither gives one
 */
export function giveExamples(document: JsonObject): JsonObject {
  const paths = mapValues(asObject(document["paths"]), (path) =>
    mapValues(asObject(path), (operation) => completeOperation(asObject(operation))),
  );
  return { ...document, paths };
}

function completeOperation(operation: JsonObject): JsonObject {
  const { parameters, requestBody, responses } = operation;
  return {
    ...operation,
    ...(parameters !== undefined && {
      parameters: asList(parameters).map((one) => completeParameter(asObject(one))),
    }),
    ...(requestBody !== undefined && { requestBody: completeBody(asObject(requestBody)) }),
    responses: mapValues(asObject(responses), (answer, status) =>
      status.startsWith("2") ? completeAnswer(asObject(answer)) : answer,
    ),
  };
}

function completeParameter(parameter: JsonObject): JsonObject {
  const { schema, name } = parameter;
  if (hasExample(parameter) || typeof name !== "string") return parameter;
  return { ...parameter, example: exampleOf(asObject(schema), name) };
}

/** What may be null may be left out. */
function completeBody(body: JsonObject): JsonObject {
  const all = asObject(body["content"]);
  const content = mapValues(all, (media) => {
    const { schema, ...rest } = asObject(media);
    return { schema: markEach(asObject(schema)), ...rest };
  });
  const required = !Object.values(all).some((media) => allows(asObject(media)["schema"], null));
  return { ...body, required, content };
}

function completeAnswer(answer: JsonObject): JsonObject {
  if (!("content" in answer)) return answer;
  const content = mapValues(asObject(answer["content"]), (one, type) => {
    const media = asObject(one);
    if (hasExample(media)) return media;
    return { ...media, example: exampleOf(asObject(media["schema"]), type) };
  });
  return { ...answer, content };
}

/** A schema with an example at each of its values that has none. */
function markEach(schema: JsonObject, name?: string): JsonObject {
  const inner = partsOf(schema);
  const { forms, item, properties } = inner;
  if (!inner.isWhole)
    return {
      ...schema,
      ...(forms.length > 0 && { anyOf: forms.map((one) => markEach(asObject(one), name)) }),
      ...(item && { items: markEach(item, name) }),
      ...(properties && {
        properties: mapValues(properties, (one, key) => markEach(asObject(one), key)),
      }),
    };
  if (name === undefined || hasExample(schema) || schema["type"] === "null") return schema;
  return { ...schema, examples: [exampleOf(schema, name)] };
}

/** An example of a value, or of what it is made of. */
function exampleOf(schema: JsonObject, name: string): Json {
  const [given] = asList(schema["examples"]);
  if (given !== undefined) return given;
  const { forms, item, properties } = partsOf(schema);
  if (forms.length > 0) return exampleOf(asObject(forms[0]), name);
  if (item) return [exampleOf(item, name)];
  if (properties) return mapValues(properties, (one, key) => exampleOf(asObject(one), key));
  const candidates = [...(exampleValues[name] ?? []), ...usualValues(schema)];
  const found = candidates.find((value) => allows(schema, value));
  if (found === undefined) throw new Error(`the API document has no example of ${name}`);
  return found;
}

function partsOf({ anyOf, items, properties }: JsonObject) {
  const forms = asList(anyOf);
  const item = items !== undefined && isObject(items) ? items : undefined;
  const all = asObject(properties);
  const some = Object.keys(all).length > 0 ? all : undefined;
  return { forms, item, properties: some, isWhole: forms.length === 0 && !item && !some };
}

function hasExample(value: JsonObject): boolean {
  return "example" in value || "examples" in value;
}

function allows(schema: Json | undefined, value: Json): boolean {
  return Value.Check(asObject(schema) as TSchema, value);
}

/** What a schema allows whatever its name: of texts and measured numbers there is nothing usual. */
function usualValues({ enum: allowed, type, format }: JsonObject): readonly Json[] {
  if (format === "date-time") return ["2024-01-01T00:00:00Z"];
  return [...asList(allowed), ...(typeof type === "string" ? (usualOfType[type] ?? []) : [])];
}

const usualOfType: Readonly<Record<string, readonly Json[]>> = {
  // What is left out is the same: who tries a request with its examples gets what they expect.
  boolean: [false],
  integer: [1],
  null: [null],
};
