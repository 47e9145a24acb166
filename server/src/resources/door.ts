import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { encodeResponse, encodeVerdicts } from "../ingest/answer.ts";
import type { Format } from "../ingest/codecs/codecs.ts";
import type { Ingest, Outcome, Stored } from "../ingest/ingest.ts";
import type { Metrics } from "../ingest/metrics.ts";
import { SensorError } from "../ingest/refusal.ts";
import type { Credentials, Uplink } from "../ingest/uplink.ts";
import type { TokenSettings } from "../auth/tokens.ts";
import type { Clock } from "../lib/clock.ts";
import { KnownError } from "../lib/errors.ts";
import { redactHeader, redactPath } from "../auth/keys.ts";
import { mediaType } from "./media-type.ts";
import { readCredentials } from "./sender.ts";

export interface DoorDeps {
  readonly ingest: Pick<Ingest, "take">;
  readonly tokens: TokenSettings;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "uploads">;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The media types that a door takes. */
    readonly takes?: readonly string[];
  }
}

export interface Door {
  readonly url: string;
  /** The media types that it takes. */
  readonly takes: readonly string[];
  readonly formatOf: FormatOf;
  readonly answer?: Answer;
  /** What a request shows of who sends it: in its headers, where a door doesn't know better. */
  readonly credentialsOf?: (request: FastifyRequest) => Credentials;
}

/** What a door takes: the format of a request's body, or undefined when no codec fits its type. */
export type FormatOf = (mediaType: string, request: FastifyRequest) => Format | undefined;

/** How a door answers what was stored. */
export type Answer = (stored: Stored, request: FastifyRequest, reply: FastifyReply) => unknown;

/** Characters of a path that are kept: enough to tell the doors apart. */
const longestPath = 200;

/** Headers that are nobody's business later. The last one comes with the webhooks of The Things Stack. */
const secretHeaders = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-api-key",
  "x-downlink-apikey",
]);

/**
 * Opens a door for uploads. Whatever its Content-Type says, the body is taken as bytes: what can't be placed is
 * kept exactly as it came.
 */
export function openDoor(
  app: FastifyInstance,
  deps: DoorDeps,
  { url, takes, formatOf, answer = answerStored, credentialsOf }: Door,
): void {
  app.register(async (door) => {
    takeBytes(door);
    door.post(url, { config: { door: true, takes } }, async (request, reply) => {
      const receivedAt = deps.clock();
      const credentials =
        credentialsOf?.(request) ?? (await readCredentials(deps.tokens, request, receivedAt));
      const format = formatOf(mediaType(request), request);
      const count = (outcome: string) =>
        deps.metrics.uploads.inc({ door: url, format: format ?? "unknown", outcome });
      const outcome = await deps.ingest
        .take(toUplink(request, format, credentials, receivedAt))
        .catch((error: unknown) => {
          count(error instanceof KnownError ? error.code : "internal_error");
          throw error;
        });
      count(nameOf(outcome));
      if ("ignored" in outcome)
        return reply.type("text/plain; charset=utf-8").send(outcome.ignored);
      return answer(outcome, request, reply);
    });
  });
}

function nameOf(outcome: Outcome): string {
  if ("ignored" in outcome) return "ignored";
  return outcome.written ? "stored" : "journaled";
}

function takeBytes(door: FastifyInstance): void {
  door.removeAllContentTypeParsers();
  door.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  // The framework refuses a Content-Type that it can't read before anyone sees the body.
  door.addHook("onRequest", async (request) => {
    request.uploadType = request.headers["content-type"] ?? "";
    request.headers["content-type"] = "application/octet-stream";
  });
}

function toUplink(
  request: FastifyRequest,
  format: Format | undefined,
  credentials: Credentials,
  receivedAt: number,
): Uplink {
  return {
    id: randomUUID(),
    format,
    payload: (request.body as Buffer | undefined) ?? Buffer.alloc(0),
    receivedAt,
    credentials,
    path: redactPath(request.url).slice(0, longestPath),
    // Most uploads are stored, and nobody looks at their headers.
    get headers() {
      return keptHeaders(request);
    },
  };
}

function keptHeaders(request: FastifyRequest): Readonly<Record<string, string>> {
  const { key } = request.params as { readonly key?: string };
  const headers = Object.entries({ ...request.headers, "content-type": request.uploadType })
    .filter(([name]) => !secretHeaders.has(name))
    .map(([name, value]) => [name, redactHeader(String(value ?? ""), key)]);
  return Object.fromEntries(headers);
}

/** As nodes expect it: a version-1 `Response`, or a version-2 verdict for each measurement. */
function answerStored(
  { measurements }: Stored,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const body = isVersion2(request)
    ? encodeVerdicts(measurements.map(({ idx }) => ({ idx, error: SensorError.ok })))
    : encodeResponse(true);
  return reply.type("application/octet-stream").send(Buffer.from(body));
}

/** Whether a node says that it speaks version 2; version 1 is what it speaks when it doesn't say. */
export function isVersion2(request: FastifyRequest): boolean {
  return request.headers["sensorversion"] === "2";
}
