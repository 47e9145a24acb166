import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { redactPath } from "../auth/keys.ts";
import { isDatabaseAway, isReferenceGone } from "../db/fault.ts";
import { encodeResponse, encodeVerdicts } from "../ingest/answer.ts";
import { Refusal, SensorError, type SensorVerdict } from "../ingest/refusal.ts";
import { defineError, KnownError, type ErrorKind } from "../lib/errors.ts";
import { describeSchemaError } from "../lib/schema-error.ts";
import { isVersion2 } from "./door.ts";
import { mediaType } from "./media-type.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The key that older clients of a path look for the message under, beside `message`. */
    readonly errorKey?: "error" | "msg";
  }
}

/** The status that each kind of error is answered with. */
export const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  too_many_requests: 429,
  bad_gateway: 502,
  unavailable: 503,
};

const databaseAway = defineError(
  "unavailable",
  "database_away",
  "the database can't be reached; try again soon",
);

const referenceGone = defineError(
  "conflict",
  "reference_gone",
  "What this belongs to was deleted at the same moment",
);

/** What an error's cause may be told. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/**
 * Answers an error: a node in protobuf, within the bytes that it has room for; everyone else as
 * `application/problem+json`. What we do not know answers 500 and says nothing.
 *
 * Source: RFC 9457, RFC 9110 11.6.1, and the two message formats of the hardware.
 */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblem(error);
  // The path as the route has it: what stands in a URL's place may be a secret.
  if (problem.status >= 500)
    logOf(request).error({ err: error, path: request.routeOptions.url }, problem.message);
  const wait_s = retryAfter(error, problem);
  if (wait_s !== undefined) reply.header("Retry-After", wait_s);
  reply.code(problem.status);
  if (isNode(request)) return answerNode(error, request, reply);
  if (problem.status === statuses.unauthenticated) reply.header("WWW-Authenticate", "Bearer");
  return reply
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send(toBody(problem, request));
}

/** Doors have no logger for each request; one that failed is worth it. */
function logOf({ id, log, routeOptions }: FastifyRequest): FastifyRequest["log"] {
  return routeOptions.config.door ? log.child({ request_id: id }) : log;
}

/** Seconds, for whom it makes sense to try again. */
function retryAfter(error: unknown, { status }: Problem): number | undefined {
  if (error instanceof KnownError && error.retryAfter_s !== undefined) return error.retryAfter_s;
  return status === 503 ? 5 : undefined;
}

/** Whether it is a node that asks: it is answered in protobuf, and has room for few bytes. */
export function isNode(request: FastifyRequest): boolean {
  return mediaType(request) === "application/octet-stream";
}

/** Whether it may be a node that hears the answer: it reads few and short headers. */
export function isForNode(request: FastifyRequest): boolean {
  const { door, fitsNode } = request.routeOptions.config;
  return (door ?? false) || (fitsNode ?? false) || isNode(request);
}

/** A failure in the message format that the node speaks which asked. */
export function encodeFailure(
  request: FastifyRequest,
  verdicts: readonly SensorVerdict[] = [{ idx: 0, error: SensorError.general }],
): Uint8Array {
  return isVersion2(request) ? encodeVerdicts(verdicts) : encodeResponse(false);
}

function answerNode(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = encodeFailure(request, error instanceof Refusal ? error.verdicts : undefined);
  return reply.type("application/octet-stream").send(Buffer.from(body));
}

function toBody(problem: Problem, request: FastifyRequest): object {
  const { status, message } = problem;
  // Who isn't let in is told so under `msg`, on all of the older paths.
  const { errorKey = status === 401 || status === 403 ? "msg" : undefined } =
    request.routeOptions.config;
  const body = toProblemJson(problem, request.id);
  return errorKey ? { ...body, [errorKey]: message } : body;
}

/**
 * The body of an `application/problem+json`.
 *
 * @param request_id by which the log knows the request, if it was one
 */
export function toProblemJson({ status, code, message }: Problem, request_id?: string): object {
  return {
    type: "about:blank",
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    message,
    ...(request_id !== undefined && { request_id }),
  };
}

/** What an error's cause may be told of it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof KnownError)
    return { status: statuses[error.kind], code: error.code, message: error.message };
  if (isFrameworkError(error)) return fromFramework(error);
  if (isDatabaseAway(error)) return toProblem(databaseAway());
  if (isReferenceGone(error)) return toProblem(referenceGone());
  return { status: 500, code: "internal_error", message: "Internal Server Error" };
}

function isFrameworkError(error: unknown): error is FastifyError & { statusCode: number } {
  if (!(error instanceof Error) || !("statusCode" in error)) return false;
  return typeof error.statusCode === "number" && error.statusCode >= 400 && error.statusCode < 500;
}

function fromFramework({
  statusCode: status,
  code,
  message,
  validation,
}: FastifyError & { statusCode: number }): Problem {
  if (validation)
    return {
      status: 400,
      code: "invalid_request",
      message: describeSchemaError(validation[0], "the request"),
    };
  return {
    status,
    code: code?.replace("FST_ERR_", "").toLowerCase() ?? "bad_request",
    message: message.replace(/^'(.*)' is/s, (_, path: string) => `'${redactPath(path)}' is`),
  };
}
