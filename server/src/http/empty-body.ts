import type { FastifyInstance } from "fastify";

/** Takes a JSON body of no bytes for none: clients name the type out of habit, also of a DELETE. */
export function takeEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null);
    else void parse(request, body as string, done);
  });
}
