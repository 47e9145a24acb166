import swagger, { type FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { version } from "../lib/version.ts";

/** Describes every route that is added from now on in a document; to be called on the root. */
export function describeRoutes(app: FastifyInstance, publicUrl: string): void {
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "ents-backend",
        version,
        description: "An open backend for environmental sensor networks",
      },
      servers: [{ url: publicUrl }],
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          key: { type: "apiKey", in: "header", name: "X-API-Key" },
        },
      },
      // Public cells are there for everyone: what needs more says so with 401.
      security: [{}, { token: [] }, { key: [] }],
    },
    transform: describeRoute,
  });
}

/** `GET /openapi.json`: what the API has, for programs that write clients. */
export async function openapi(app: FastifyInstance): Promise<void> {
  app.get("/openapi.json", { config: { anyone: true } }, () => app.swagger());
}

const written = ["application/json", "application/x-www-form-urlencoded"];

/** Routes are grouped by the first word of their path. A door has no schema for what it takes: it takes bytes. */
const describeRoute: NonNullable<FastifyDynamicSwaggerOptions["transform"]> = ({
  schema,
  url,
  route,
}) => {
  const { takes } = route.config ?? {};
  const body = takes
    ? { consumes: [...takes], body: {} }
    : schema?.body
      ? { consumes: written }
      : {};
  const tag = url.replace(/^\/api\//, "/").split("/")[1] || "health";
  return { url, schema: { tags: [tag], ...body, ...schema } };
};
