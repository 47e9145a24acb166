import { Problem } from "@ents-backend/schemas/problem";
import type { RouteOptions } from "fastify";
import type { ErrorKind } from "../../lib/errors.ts";
import { describeHeaders, referToHeaders } from "./headers.ts";
import { statuses, toProblemJson } from "../problem.ts";

declare module "fastify" {
  interface FastifySchema {
    /** What a route may refuse beside what any other like it refuses, for the document. */
    readonly problems?: readonly ErrorKind[];
    /** What a route takes whose body it reads by itself, for the document: by media type. */
    readonly takes?: Readonly<Record<string, object>>;
  }
}

/** The document doesn't speak of methods that a path doesn't have; any route may answer the last two. */
type Kind = Exclude<ErrorKind, "method_not_allowed"> | "head_too_large" | "internal";

/** When each of them is answered. */
const descriptions: Readonly<Record<Kind, string>> = {
  invalid: "Something of the request can't be read, or isn't possible",
  unauthenticated: "Nobody is logged in, or the token or key isn't good any more",
  forbidden: "The token, the key or one's role isn't for this",
  not_found: "There is no such thing, or it isn't the caller's to see",
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
const kinds = Object.keys(descriptions) as Kind[];

/** An answer as the document has it. */
interface Described {
  readonly description: string;
  readonly headers: Readonly<Record<string, object>>;
  readonly content: Readonly<Record<string, object>>;
}

type Route = Pick<RouteOptions, "url" | "method" | "config" | "schema">;

/** The errors that routes have in common, by names for the document: `TooLarge`. */
export function namedProblems(): Record<string, Described> {
  return Object.fromEntries(kinds.map((kind) => [toName(kind), describe(kind)]));
}

function toName(kind: Kind): string {
  return kind.replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The errors that a route may answer, as the document has them: by status. */
export function describeProblems(route: Route): Record<string, Described> {
  return Object.fromEntries(
    kindsOf(route).map((kind) => [statusOf(kind), describe(kind, route)] as const),
  );
}

function kindsOf({ url, method, config = {}, schema }: Route): readonly Kind[] {
  const { door, anyone, fitsNode } = config;
  const hasBody = [method].flat().some((one) => one !== "GET" && one !== "HEAD");
  const others = schema?.problems ?? [];
  return [
    "invalid",
    ...(anyone ? [] : (["unauthenticated", "forbidden"] as const)),
    ...(url.includes(":") || door ? (["not_found"] as const) : []),
    ...(door ? (["conflict"] as const) : []),
    ...(hasBody ? (["too_large"] as const) : []),
    // What nodes send is refused everywhere but at the doors, on a GET too.
    ...(hasBody || !fitsNode ? (["unsupported_media_type"] as const) : []),
    ...(door || fitsNode ? [] : (["too_many_requests"] as const)),
    ...others.filter((kind) => kind !== "method_not_allowed"),
    "unavailable",
    "head_too_large",
    "internal",
  ];
}

function statusOf(kind: Kind): number {
  if (kind === "head_too_large") return 431;
  return kind === "internal" ? 500 : statuses[kind];
}

/** A node is told in its own words; a route may have an answer of its own with that status. */
function describe(kind: Kind, route?: Route): Described {
  const description = descriptions[kind];
  const own = findOwn(route?.schema?.response, statusOf(kind));
  const example = toProblemJson({ status: statusOf(kind), code: kind, message: description });
  const content = {
    ...(own && { "application/json": { schema: own } }),
    "application/problem+json": { schema: Problem, example },
    ...(route?.config?.door && {
      "application/octet-stream": { schema: { type: "string", format: "binary" } },
    }),
  };
  const status = statusOf(kind);
  const headers = route ? describeHeaders(status, route) : referToHeaders(status);
  return { description, headers, content };
}

function findOwn(response: unknown, status: number): object | undefined {
  if (typeof response !== "object" || response === null) return undefined;
  const own: unknown = Object.entries(response).find(([key]) => key === String(status))?.[1];
  return typeof own === "object" && own !== null ? own : undefined;
}
