import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import { compressed } from "../http/compression.ts";

/** All that the page needs comes from here: it works without the internet. Pictures stand in its styles. */
const csp = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>ents-backend: API</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="/api/docs/swagger-ui.css" />
    <script src="/api/docs/swagger-ui-bundle.js" defer></script>
    <script src="/api/docs/begin.js" defer></script>
  </head>
  <body>
    <div id="page"></div>
    <noscript>This page needs JavaScript; <a href="/api/openapi.json">the document itself</a> doesn't.</noscript>
  </body>
</html>
`;

/** No validator is asked: that would be another host. */
const begin = `SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "none",
  validatorUrl: null,
});
`;

const library = createRequire(import.meta.url);
const fromLibrary = async (name: string) =>
  await readFile(library.resolve(`swagger-ui-dist/${name}`), "utf8");

const script = "text/javascript; charset=utf-8";
const files = {
  "begin.js": { type: script, read: async () => begin },
  "swagger-ui-bundle.js": { type: script, read: () => fromLibrary("swagger-ui-bundle.js") },
  "swagger-ui.css": { type: "text/css; charset=utf-8", read: () => fromLibrary("swagger-ui.css") },
} as const;
const File = Type.Enum(["begin.js", "swagger-ui-bundle.js", "swagger-ui.css"]);

/** `/`: who opens the address of the server in a browser comes to its documents. */
export const home: FastifyPluginAsyncTypebox = async (app) => {
  app.get("/", { schema: { hide: true } }, (_request, reply) => reply.redirect("/api/docs"));
};

/** `/docs`: the API's document as a page, for browsers, where each request can be tried. */
export const docs: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    "/docs",
    {
      config: { anyone: true, csp },
      schema: {
        operationId: "getDocs",
        summary: "This document as a page",
        produces: ["text/html"],
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => await reply.type("text/html; charset=utf-8").send(page),
  );

  app.get(
    "/docs/:file",
    {
      compress: { ...compressed.compress, customTypes: /^text\/(?:javascript|css)\b/ },
      config: { anyone: true },
      schema: { hide: true, params: Type.Object({ file: File }) },
    },
    async ({ params }, reply) => {
      const { type, read } = files[params.file];
      return await reply
        .type(type)
        .header("Cache-Control", "max-age=3600")
        .send(await read());
    },
  );
};
