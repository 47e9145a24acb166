import type { FastifyInstance } from "fastify";

/** What answers say beside what the document is about: how they are sent, and what browsers may do with them. */
const unspoken =
  /^(?:access-control-|allow$|cache-control$|connection$|content-(?:encoding|length|security-policy|type)$|cross-origin-|referrer-policy$|strict-transport-|vary$|x-(?:accel-buffering|content-type-options|frame-options)$)/;

/** Watches what an API answers: no status and no header that its own document doesn't know. */
export function watchAnswers(app: FastifyInstance): { undocumented(): string[] } {
  const seen = new Set<string>();
  app.addHook("onResponse", (request, reply, done) => {
    const { url = "" } = request.routeOptions;
    const path = url.replace(/:(\w+)/g, "{$1}").replace(/(?<=.)\/$/, "");
    const answer = `${request.method.toLowerCase()} ${path} ${reply.statusCode}`;
    seen.add(answer);
    for (const header of Object.keys(reply.getHeaders()))
      if (!unspoken.test(header)) seen.add(`${answer} ${header}`);
    done();
  });
  const undocumented = () => {
    const { paths, components }: Document = JSON.parse(JSON.stringify(app.swagger()));
    return [...seen].filter((answer) => {
      const [method = "", path = "", status = "", header] = answer.split(" ");
      const operation = paths[path]?.[method];
      if (operation === undefined) return false;
      const documented = operation.responses[status];
      const name = documented?.$ref?.replace("#/components/responses/", "");
      const known = name === undefined ? documented : components.responses[name];
      return !known || (header !== undefined && !hasHeader(known, header));
    });
  };
  return { undocumented };
}

function hasHeader({ headers = {} }: Answer, header: string): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === header);
}

interface Answer {
  readonly $ref?: string;
  readonly headers?: object;
}

type Answers = Readonly<Record<string, Answer>>;

interface Document {
  readonly components: { readonly responses: Answers };
  readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: Answers }>>>>;
}
