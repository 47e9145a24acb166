import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { FastifySchemaCompiler } from "fastify";
import type { TSchema } from "typebox";
import { propertiesOf, readText, type Schema } from "./form.ts";

/**
 * Compiles the check of a part of requests. A body in JSON has to be what its schema says; what stands in a path, a query or
 * a header is text, and read as what its schema wants: numbers are digits, so that `true` is no cell.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = (route) => {
  const check = TypeBoxValidatorCompiler({ ...route, httpPart: "body" });
  const properties = propertiesOf(route.schema);
  if (route.httpPart === "body" || !properties) return check;
  return (texts: Readonly<Record<string, unknown>>) => check(readTexts(properties, texts));
};

function readTexts(
  properties: Readonly<Record<string, Schema>>,
  texts: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
      return [name, schema && typeof text === "string" ? readText(schema, text) : text];
    }),
  );
}
