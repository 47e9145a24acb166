import type { FastifyInstance } from "fastify";

/** Watches what an API answers: nothing that its own document doesn't know. */
export function watchAnswers(app: FastifyInstance): { undocumented(): string[] } {
  const seen = new Set<string>();
  app.addHook("onResponse", (request, reply, done) => {
    const { url = "" } = request.routeOptions;
    const path = url.replace(/:(\w+)/g, "{$1}").replace(/(?<=.)\/$/, "");
    seen.add(`${request.method.toLowerCase()} ${path} ${reply.statusCode}`);
    done();
  });
  const undocumented = () => {
    const paths: Paths = JSON.parse(JSON.stringify(app.swagger().paths));
    return [...seen].filter((answer) => {
      const [method = "", path = "", status = ""] = answer.split(" ");
      const operation = paths[path]?.[method];
      return operation !== undefined && !Object.hasOwn(operation.responses, status);
    });
  };
  return { undocumented };
}

type Paths = Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>>;
