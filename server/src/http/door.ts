import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { encodeResponse, encodeVerdicts } from "../ingest/answer.ts";
import type { Format } from "../ingest/codecs/codecs.ts";
import type { Ingest, Outcome, Stored } from "../ingest/ingest.ts";
import type { Metrics } from "../metrics.ts";
import { SensorError } from "../ingest/refusal.ts";
import type { Credentials, Measurement, Uplink } from "../ingest/uplink.ts";
import type { TokenSettings } from "../auth/tokens.ts";
import type { Clock } from "../lib/clock.ts";
import { KnownError } from "../lib/errors.ts";
import { redactHeader, redactPath } from "../auth/keys.ts";
import { mediaType } from "./media-type.ts";
import { readCredentials } from "./sender.ts";
import type { DescribedUpload } from "./upload-schemas.ts";

export interface DoorDeps {
  readonly ingest: Pick<Ingest, "take">;
  readonly tokens: TokenSettings;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "uploads">;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the document says of a door. */
    readonly upload?: DescribedUpload;
  }
}

export interface Door {
  readonly url: string;
  readonly described: DescribedUpload;
  readonly formatOf: FormatOf;
  readonly answer?: Answer;
  /** What a request shows of who sends it: in its headers, where a door doesn't know better. */
  readonly credentialsOf?: (request: FastifyRequest) => Credentials;
}

/** What a door takes: the format of a request's body, or undefined when no codec fits its type. */
export type FormatOf = (mediaType: string, request: FastifyRequest) => Format | undefined;

/** How a door answers what was stored. */
type Answer = (stored: Stored, request: FastifyRequest, reply: FastifyReply) => unknown;

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

/** Opens doors, apart from the resources: no upload is refused for a bad token, or since there were too many. */
export async function openDoors(
  app: FastifyInstance,
  { deps, doors }: { deps: DoorDeps; doors: readonly Door[] },
): Promise<void> {
  for (const door of doors) openDoor(app, deps, door);
}

/**
 * Opens a door for uploads. Whatever its Content-Type says, the body is taken as bytes: what can't be placed is
 * kept exactly as it came.
 */
function openDoor(
  app: FastifyInstance,
  deps: DoorDeps,
  { url, described, formatOf, answer = answerStored, credentialsOf }: Door,
): void {
  app.register(async (door) => {
    takeBytes(door);
    // Nothing is logged here but what fails: a logger for each upload would cost more than reading it.
    door.setChildLoggerFactory((logger) => logger);
    door.post(url, { config: { door: true, upload: described } }, async (request, reply) => {
      const receivedAt = deps.clock();
      const credentials =
        credentialsOf?.(request) ?? (await readCredentials(deps.tokens, request, receivedAt));
      const format = formatOf(mediaType(request), request);
      const count = (outcome: string) =>
        deps.metrics.uploads.inc({ door: url, format: format ?? "unknown", outcome });
      const outcome = await deps.ingest
        .take(new RequestUplink(request, format, credentials, receivedAt))
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
  const type = "application/octet-stream";
  door.addContentTypeParser(type, { parseAs: "buffer" }, (_request, body, done) =>
    done(null, body),
  );
  // The framework refuses a Content-Type that it can't read before anyone sees the body.
  door.addHook("onRequest", (request, _reply, done) => {
    request.uploadType = request.headers["content-type"] ?? "";
    request.headers["content-type"] = type;
    done();
  });
}

/** Most uploads are stored, and nobody looks at where they came from: that is found out when it is asked for. */
class RequestUplink implements Uplink {
  readonly format: Format | undefined;
  readonly payload: Uint8Array;
  readonly credentials: Credentials;
  readonly receivedAt: number;
  readonly #request: FastifyRequest;
  #id: string | undefined;

  constructor(
    request: FastifyRequest,
    format: Format | undefined,
    credentials: Credentials,
    receivedAt: number,
  ) {
    this.#request = request;
    this.format = format;
    this.payload = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
    this.credentials = credentials;
    this.receivedAt = receivedAt;
  }

  get id(): string {
    return (this.#id ??= randomUUID());
  }

  get path(): string {
    return redactPath(this.#request.url).slice(0, longestPath);
  }

  get headers(): Readonly<Record<string, string>> {
    return keptHeaders(this.#request);
  }
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
  const body = isVersion2(request) ? acceptanceOf(measurements) : inOnePiece(encodeResponse(true));
  return reply.type("application/octet-stream").send(body);
}

/** Nearly all messages number their measurements from 0, and have few: these answers are made once, by that number. */
const usualAcceptances: (Buffer | string)[] = [];
const mostUsual = 64;

function acceptanceOf(measurements: readonly Measurement[]): Buffer | string {
  const { length } = measurements;
  if (length > mostUsual || measurements.some(({ idx }, at) => idx !== at))
    return encodeAcceptance(measurements);
  return (usualAcceptances[length] ??= encodeAcceptance(measurements));
}

function encodeAcceptance(measurements: readonly Measurement[]): Buffer | string {
  return inOnePiece(
    encodeVerdicts(measurements.map(({ idx }) => ({ idx, error: SensorError.ok }))),
  );
}

/** Node.js writes a text together with its head, bytes beside it. Bytes below 128 are the same in a text. */
function inOnePiece(body: Uint8Array): Buffer | string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return body.every((byte) => byte < 0x80) ? bytes.toString("latin1") : bytes;
}

/** Whether a node says that it speaks version 2; version 1 is what it speaks when it doesn't say. */
export function isVersion2(request: FastifyRequest): boolean {
  return request.headers["sensorversion"] === "2";
}
