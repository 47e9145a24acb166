import { Problem } from "@ents-backend/schemas/problem";
import type { RouteOptions } from "fastify";
import type { ErrorKind } from "../lib/errors.ts";
import { statuses } from "./problem.ts";

declare module "fastify" {
  interface FastifySchema {
    /** What a route may refuse beside what any other like it refuses, for the document. */
    readonly problems?: readonly ErrorKind[];
    /** What a route takes whose body it reads by itself, for the document: by media type. */
    readonly takes?: Readonly<Record<string, object>>;
  }
}

/** What any route may answer, though none decides to. */
type Other = "head_too_large" | "internal";

/** When each of them is answered. */
const descriptions: Readonly<Record<ErrorKind | Other, string>> = {
  invalid: "Something of the request can't be read, or isn't possible",
  unauthenticated: "Nobody is logged in, or the token or key isn't good any more",
  forbidden: "The token, the key or one's role isn't for this",
  not_found: "There is no such thing, or it isn't the caller's to see",
  method_not_allowed: "The path has other methods: `Allow`",
  conflict: "What is there stands against it",
  gone: "What was asked for is no longer kept",
  too_large: "It is too much for one request",
  unsupported_media_type: "The Content-Type is none that is taken here",
  range_not_satisfiable: "None of the bytes that are asked for are there",
  too_many_requests: "Too much at once: `Retry-After` says when to try again",
  bad_gateway: "Another service that is needed refused, or didn't answer",
  unavailable: "The database can't be reached: try again soon",
  head_too_large: "The request's URL and headers have more than 16 KB together",
  internal: "Something went wrong here; the log says what, under `request_id`",
};

/** An answer as the document has it. */
interface Described {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: object }>>;
}

type Route = Pick<RouteOptions, "url" | "method" | "config" | "schema">;

const problemBody = { schema: Problem };

/** The errors that routes have in common, by names for the document. */
export function namedProblems(): Record<string, object> {
  return Object.fromEntries(
    Object.entries(descriptions)
      // Of the methods that a path doesn't have, which the document doesn't speak of.
      .filter(([kind]) => kind !== "method_not_allowed")
      .map(([kind, description]) => [
        toName(kind),
        { description, content: { "application/problem+json": problemBody } },
      ]),
  );
}

/** `too_large` → `TooLarge` */
function toName(kind: string): string {
  return kind.replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The errors that a route may answer, as the document has them: by status. */
export function describeProblems(route: Route): Record<string, Described> {
  const kinds = kindsOf(route);
  const known = kinds.map((kind) => [statuses[kind], describe(kind, route)] as const);
  const always = [
    [431, describe("head_too_large", route)],
    [500, describe("internal", route)],
  ] as const;
  const all = [...known, ...always];
  return Object.fromEntries(
    all.map(([status, problem]) => [status, withOwn(status, problem, route)]),
  );
}

function kindsOf({ url, method, config = {}, schema }: Route): readonly ErrorKind[] {
  const { door, anyone, fitsNode } = config;
  const hasBody = [method].flat().some((one) => one !== "GET" && one !== "HEAD");
  return [
    "invalid",
    ...(anyone ? [] : (["unauthenticated", "forbidden"] as const)),
    ...(url.includes(":") || door ? (["not_found"] as const) : []),
    ...(door ? (["conflict"] as const) : []),
    ...(hasBody ? (["too_large", "unsupported_media_type"] as const) : []),
    ...(door || fitsNode ? [] : (["too_many_requests"] as const)),
    "unavailable",
    ...(schema?.problems ?? []),
  ];
}

/** A route may use such a status for an answer of its own. */
function withOwn(
  status: number,
  { description, content }: Described,
  { schema }: Route,
): Described {
  const own = findOwn(schema?.response, status);
  return own
    ? { description, content: { "application/json": { schema: own }, ...content } }
    : { description, content };
}

function findOwn(response: unknown, status: number): object | undefined {
  if (typeof response !== "object" || response === null) return undefined;
  const own: unknown = Object.entries(response).find(([key]) => key === String(status))?.[1];
  return typeof own === "object" && own !== null ? own : undefined;
}

/** A node is told in its own words. */
function describe(kind: ErrorKind | Other, { config }: Route): Described {
  const content = {
    "application/problem+json": problemBody,
    ...(config?.door && {
      "application/octet-stream": { schema: { type: "string", format: "binary" } },
    }),
  };
  return { description: descriptions[kind], content };
}
