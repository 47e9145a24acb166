import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { isDatabaseAway } from "../db/connect.ts";
import { encodeResponse, encodeVerdicts } from "../ingest/answer.ts";
import { Refusal, SensorError } from "../ingest/refusal.ts";
import { defineError, KnownError, type ErrorKind } from "../lib/errors.ts";
import { mediaType } from "./media-type.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The key that older clients of a path look for the message under, beside `message`. */
    readonly errorKey?: "error" | "msg";
  }
}

const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  unsupported_media_type: 415,
  unavailable: 503,
};

const databaseAway = defineError(
  "unavailable",
  "database_away",
  "the database can't be reached; try again soon",
);

/** What an error's cause may be told. */
interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/**
 * Answers an error: a node in protobuf, within the bytes that it has room for; everyone else as
 * `application/problem+json`. What we do not know answers 500 and says nothing.
 *
 * Source: RFC 9457, and the two message formats of the hardware.
 */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblem(error);
  if (problem.status >= 500) request.log.error({ err: error, path: request.url }, problem.message);
  if (problem.status === 503) reply.header("Retry-After", "5");
  reply.code(problem.status);
  if (mediaType(request) === "application/octet-stream") return answerNode(error, request, reply);
  return reply
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send(toBody(problem, request));
}

function answerNode(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const verdicts =
    error instanceof Refusal ? error.verdicts : [{ idx: 0, error: SensorError.general }];
  const body =
    request.headers["sensorversion"] === "2" ? encodeVerdicts(verdicts) : encodeResponse(false);
  return reply.type("application/octet-stream").send(Buffer.from(body));
}

function toBody({ status, code, message }: Problem, request: FastifyRequest): object {
  const { errorKey } = request.routeOptions.config;
  const body = {
    type: "about:blank",
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    message,
  };
  return errorKey ? { ...body, [errorKey]: message } : body;
}

function toProblem(error: unknown): Problem {
  if (error instanceof KnownError)
    return { status: statuses[error.kind], code: error.code, message: error.message };
  if (isFrameworkError(error)) return fromFramework(error);
  if (isDatabaseAway(error)) return toProblem(databaseAway());
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
      message: describeValidation(validation, message),
    };
  return { status, code: code?.replace("FST_ERR_", "").toLowerCase() ?? "bad_request", message };
}

function describeValidation(
  errors: NonNullable<FastifyError["validation"]>,
  fallback: string,
): string {
  const error = errors[0];
  if (!error) return fallback;
  const path = error.instancePath.slice(1).replaceAll("/", ".");
  const { requiredProperties, allowedValues } = error.params as {
    requiredProperties?: string[];
    allowedValues?: unknown[];
  };
  if (requiredProperties?.[0] !== undefined)
    return `${path === "" ? "" : `${path}.`}${requiredProperties[0]} is missing`;
  if (allowedValues) return `${path} must be one of ${allowedValues.join(", ")}`;
  return `${path === "" ? "the request" : path} ${error.message}`;
}
