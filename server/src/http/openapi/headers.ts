import type { RouteOptions } from "fastify";

type Route = Pick<RouteOptions, "config" | "schema">;

/** A header as routes describe it, and which answers have it. */
interface Header {
  readonly description: string;
  readonly examples: readonly [string | number];
  readonly isIn: (status: number, route: Route | undefined) => boolean;
}

/** Whose answers set a cookie, or take it back: with which statuses. */
const cookieAnswers: Readonly<Record<string, readonly number[]>> = {
  register: [201],
  logIn: [201],
  beginLogin: [200],
  finishLogin: [201],
  refreshSession: [201, 401, 403],
  logOut: [204],
};

/** What answers say beside their bodies. What errors have in common is that of usual routes: there is no route then. */
const table: Readonly<Record<string, Header>> = {
  "X-Request-Id": {
    description: "The log knows the request by it, and so does an error's body",
    examples: ["Wd4pL0aX-1f"],
    isIn: (status, route) => status !== 431 && !isForNodes(route),
  },
  "RateLimit-Policy": {
    description:
      "How many requests there may be in how many seconds; not where they aren't limited",
    examples: ['"address";q=600;w=60'],
    isIn: (status, route) => status !== 431 && !isForNodes(route),
  },
  RateLimit: {
    description: "How many requests are left, and in how many seconds there are more",
    examples: ['"address";r=599;t=60'],
    isIn: (status, route) => status !== 431 && !isForNodes(route),
  },
  "Retry-After": {
    description: "Seconds after which it makes sense to try again",
    examples: [5],
    isIn: (status) => status === 429 || status === 503,
  },
  "WWW-Authenticate": {
    description: "That a token is what lets one in; keys that scripts show stand in `X-API-Key`",
    examples: ["Bearer"],
    isIn: (status) => status === 401,
  },
  Location: {
    description: "Where to ask how it goes",
    examples: ["/api/tasks/0192f0c1-7b4e-7cc0-8f0a-3d5e6f708192"],
    isIn: (status) => status === 202,
  },
  ETag: {
    description: "Names the answer, for `If-None-Match`",
    examples: ['W/"q1Zr0vSxk2mJ8yTnB5cDfg"'],
    isIn: (status, route) => [200, 206, 304, 416].includes(status) && answers(route, 304),
  },
  "Accept-Ranges": {
    description: "That a part can be asked for with `Range`",
    examples: ["bytes"],
    isIn: (status, route) => [200, 206, 304, 416].includes(status) && answers(route, 206),
  },
  "Content-Range": {
    description: "Which part it is of how many bytes",
    examples: ["bytes 0-999/5000"],
    isIn: (status) => status === 206 || status === 416,
  },
  "Content-Disposition": {
    description: "The name under which a browser saves the file",
    examples: ['attachment; filename="readings.csv"'],
    isIn: (status, route) =>
      [200, 206].includes(status) && (route?.schema?.produces?.includes("text/csv") ?? false),
  },
  "Set-Cookie": {
    description: "What browsers hold: the refresh token, or that a login has begun",
    examples: ["refresh-token=8sV1…; Path=/api/auth; HttpOnly; SameSite=Lax"],
    isIn: (status, route) =>
      cookieAnswers[route?.schema?.operationId ?? ""]?.includes(status) ?? false,
  },
};

/** The headers that an answer may have, as a route describes them. */
export function describeHeaders(status: number, route: Route): Record<string, object> {
  return mapHeaders(({ description, examples }) => ({ description, ...schemaOf(examples) }), {
    status,
    route,
  });
}

/** References to those that an answer with that status has in common to usual routes. */
export function referToHeaders(status: number): Record<string, object> {
  return mapHeaders((_, name) => ({ $ref: `#/components/headers/${name}` }), { status });
}

/** All of them, as the document has them. */
export function namedHeaders(): Record<string, object> {
  return mapHeaders(({ description, examples }) => ({ schema: schemaOf(examples), description }));
}

function mapHeaders(
  change: (header: Header, name: string) => object,
  answer?: { readonly status: number; readonly route?: Route },
): Record<string, object> {
  const there = Object.entries(table).filter(
    ([, { isIn }]) => !answer || isIn(answer.status, answer.route),
  );
  return Object.fromEntries(there.map(([name, header]) => [name, change(header, name)]));
}

function schemaOf(examples: Header["examples"]): object {
  return { type: typeof examples[0] === "number" ? "integer" : "string", examples };
}

function isForNodes(route: Route | undefined): boolean {
  const { door = false, fitsNode = false } = route?.config ?? {};
  return door || fitsNode;
}

function answers(route: Route | undefined, status: number): boolean {
  return route === undefined || Object.hasOwn(Object(route.schema?.response), String(status));
}
