import swagger, { type FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify";
import { Type } from "typebox";
import { version } from "../lib/version.ts";
import { giveExamples } from "../http/openapi/examples.ts";
import { describeHeaders, namedHeaders } from "../http/openapi/headers.ts";
import { asObject, nameSchemas, toJson } from "../http/openapi/names.ts";
import { describeProblems, namedProblems } from "../http/openapi/problems.ts";
import { tagOf, tags } from "../http/openapi/tags.ts";

/** Describes every route that is added from now on in a document; to be called on the root. */
export function describeRoutes(app: FastifyInstance): void {
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "ents-backend",
        version,
        summary: "An open backend for environmental sensor networks",
        description:
          "Every path answers with and without a slash at its end. Requests are limited; a page elsewhere may read what is public. " +
          "HEAD is answered as GET, without a body, wherever that changes nothing and has an end; other methods with 405, and OPTIONS with 204, " +
          "which name those that there are in `Allow`. What stops being HTTP is answered with 400, 408 or 431 before a path is known.",
        license: { name: "MIT", identifier: "MIT" },
      },
      // The host that the document comes from.
      servers: [{ url: "/" }],
      tags: [...tags],
      components: { securitySchemes },
      security: anybody,
    },
    transform: describeRoute,
    transformObject: (document) =>
      nameSchemas(
        giveExamples(asObject(toJson("openapiObject" in document ? document.openapiObject : {}))),
        { headers: namedHeaders(), responses: namedProblems() },
      ),
  });
}

/** `GET /openapi.json`: what the API has, for programs that write clients. */
export async function openapi(app: FastifyInstance): Promise<void> {
  const schema = {
    operationId: "getDocument",
    summary: "This document",
    response: { 200: Type.Unsafe<object>(Type.Object({}, { additionalProperties: true })) },
  };
  app.get("/openapi.json", { config: { anyone: true }, schema, serializerCompiler }, () =>
    app.swagger(),
  );
}

/** A serialiser made of its schema would leave out what that doesn't name. */
const serializerCompiler = () => JSON.stringify;

const securitySchemes = {
  token: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "Of a user who is logged in: POST /api/auth/login answers it, for 15 minutes",
  },
  key: {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
    description: "Of a script, with scopes: POST /api/keys; or of a logger, for uploads",
  },
} as const;

/** What is public is there for everyone; with a token or key there is more. */
const anybody = [{}, { token: [] }, { key: [] }];

const written = ["application/json", "application/x-www-form-urlencoded"];

const describeRoute: NonNullable<FastifyDynamicSwaggerOptions["transform"]> = ({
  schema,
  url,
  route,
}) => {
  // Doors have none, whatever its type says.
  if (schema?.hide) return { url, schema };
  const { config = {} } = route;
  const described = config.upload ? describeUpload(config.upload) : describeUsual(schema, config);
  const response: object = Object.assign(
    {},
    nameAnswers(described, route),
    describeProblems(route),
  );
  return { url, schema: { ...described, tags: [tagOf(url, config.door)], response } };
};

/** An answer that says nothing of itself is what the route is there for. */
function nameAnswers({ response, summary }: FastifySchema, route: RouteOptions): object {
  const answers: object = Object.assign({}, response);
  return Object.fromEntries(
    Object.entries(answers).map(([status, answer]: [string, object]) => [
      status,
      {
        "x-response-description": summary,
        headers: describeHeaders(Number(status), route),
        ...answer,
      },
    ]),
  );
}

/** What a form has, a JSON body may have. */
function describeUsual(schema: FastifySchema, { anyone }: Config): FastifySchema {
  const security = schema.security ?? (anyone ? [] : anybody);
  const forms = schema.body && !schema.consumes ? { consumes: written } : {};
  const body = schema.takes ? { body: { content: toContent(schema.takes) } } : {};
  return { ...schema, ...forms, ...body, security };
}

/** A door has no schema for what it takes: it takes bytes. */
function describeUpload({
  takes,
  answers,
  ...named
}: NonNullable<Config["upload"]>): FastifySchema {
  const ok = { description: "Stored, or stored before", content: toContent(answers) };
  return { ...named, body: { content: toContent(takes) }, response: { 200: ok } };
}

function toContent(types: Readonly<Record<string, object>>) {
  return Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
}

type Config = NonNullable<RouteOptions["config"]>;
