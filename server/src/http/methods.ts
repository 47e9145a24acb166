import type { FastifyInstance } from "fastify";
import { defineError } from "../lib/errors.ts";

const methodNotAllowed = defineError(
  "method_not_allowed",
  "method_not_allowed",
  "{method} is not allowed here",
);

/** The methods that each path has. */
type Routes = ReadonlyMap<string, ReadonlySet<string>>;

/** Notes every route that is added from now on. */
export function collectRoutes(app: FastifyInstance): Routes {
  const routes = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const path = url === "/" ? url : url.replace(/\/$/, "");
    const known = routes.get(path) ?? new Set();
    routes.set(path, new Set([...known, ...[method].flat()]));
  });
  return routes;
}

/** Where a path exists: answers 405 to the methods that it doesn't have, and to OPTIONS, both with those in `Allow`. */
export async function answerOtherMethods(
  app: FastifyInstance,
  { routes }: { routes: Routes },
): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  for (const [url, known] of Array.from(routes)) {
    const allow = [...known, "OPTIONS"].join(", ");
    app.route({
      url,
      schema: { hide: true },
      method: "OPTIONS",
      handler: (_request, reply) => reply.code(204).header("Allow", allow).send(),
    });
    app.route({
      url,
      schema: { hide: true },
      method: app.supportedMethods.filter((method) => !known.has(method) && method !== "OPTIONS"),
      // Before the framework asks what the body is.
      onRequest: async (request, reply) => {
        reply.header("Allow", allow);
        throw methodNotAllowed({ method: request.method });
      },
      handler: async () => undefined,
    });
  }
}
