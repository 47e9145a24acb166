import * as http from "node:http";
import * as https from "node:https";
import { buffer } from "node:stream/consumers";
import { fromBinary } from "@bufbuild/protobuf";
import { ResponseSchema } from "../../ingest/codecs/proto/measurement_pb.js";
import { RepeatedSensorResponsesSchema } from "../../ingest/codecs/proto/sensor_pb.js";
import { SensorError } from "../../ingest/refusal.ts";
import type { Upload } from "./uploads.ts";

/** Where uploads go, and how. */
export interface Target {
  readonly url: URL;
  /** Sent as X-API-Key. */
  readonly key?: string;
  /** Whether connections are used again, which nodes don't. */
  readonly keepAlive: boolean;
  readonly connections: number;
}

/** What became of an upload. */
export interface Outcome {
  readonly upload: Upload;
  readonly latency_ms: number;
  /** Undefined: it was stored. */
  readonly failure: Failure | undefined;
}

export interface Failure {
  /** The status of the answer; undefined where there was none. */
  readonly status: number | undefined;
  readonly reason: string;
}

interface Sender {
  send(upload: Upload): Promise<Outcome>;
  close(): void;
}

const timeout_s = 10;

/** Uploads as nodes do, each message in a request of its own. */
export function openSender(target: Target): Sender {
  const { Agent } = target.url.protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: target.keepAlive, maxSockets: target.connections });
  return {
    async send(upload) {
      const start = performance.now();
      const failure = await post(target, agent, upload);
      return { upload, latency_ms: performance.now() - start, failure };
    },
    close: () => agent.destroy(),
  };
}

/** The headers of an upload, as nodes send them. */
export function headersOf({ version }: Upload, key: string | undefined): Record<string, string> {
  return {
    "Content-Type": "application/octet-stream",
    ...(version === 2 ? { SensorVersion: "2" } : {}),
    ...(key === undefined ? {} : { "X-API-Key": key }),
  };
}

async function post(
  { url, key }: Target,
  agent: http.Agent,
  upload: Upload,
): Promise<Failure | undefined> {
  try {
    const response = await exchange(url, {
      method: "POST",
      agent,
      headers: { ...headersOf(upload, key), "Content-Length": upload.body.length },
      signal: AbortSignal.timeout(timeout_s * 1000),
      body: upload.body,
    });
    const body = await buffer(response);
    const status = response.statusCode!;
    return status === 200 ? undefined : { status, reason: readReason(upload, response, body) };
  } catch (error) {
    return { status: undefined, reason: describeNetworkError(error) };
  }
}

async function exchange(
  url: URL,
  { body, ...options }: http.RequestOptions & { body: Uint8Array },
): Promise<http.IncomingMessage> {
  const { request } = url.protocol === "https:" ? https : http;
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  request(url, options, resolve).on("error", reject).end(body);
  return await promise;
}

/** Why an answer says no: in protobuf as nodes are told, or in words. */
function readReason(upload: Upload, { headers }: http.IncomingMessage, body: Buffer): string {
  if (headers.location !== undefined) return `it redirects to ${headers.location}`;
  if (headers["content-type"]?.startsWith("application/octet-stream"))
    return readVerdict(upload, body) ?? "no reason given";
  return readText(body.toString()) || "no reason given";
}

function readVerdict({ version }: Upload, body: Buffer): string | undefined {
  try {
    if (version === 1) return fromBinary(ResponseSchema, body).resp === 1 ? "ERROR" : undefined;
    const { responses } = fromBinary(RepeatedSensorResponsesSchema, body);
    const fault = responses.find(({ error }) => error !== SensorError.ok)?.error;
    return fault === undefined ? undefined : (sensorErrors.get(fault) ?? `SensorError ${fault}`);
  } catch {
    return undefined;
  }
}

/** What the SensorErrors that a server may answer are called, and mean. */
const sensorErrors: ReadonlyMap<number, string> = new Map([
  [SensorError.general, "GENERAL (it gives no reason)"],
  [SensorError.logger, "LOGGER (it doesn't know the logger)"],
  [SensorError.cell, "CELL (it doesn't know the cell, or takes uploads to it with a key only)"],
  [SensorError.unsupported, "UNSUPPORTED (it doesn't know the sensor type)"],
  [SensorError.invalid, "INVALID (it can't make sense of the message)"],
  [SensorError.decode, "DECODE (it can't read the message)"],
]);

function readText(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // Words are fine too.
  }
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 200);
}

const networkErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the host's name can't be looked up now",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
  ETIMEDOUT: "the host doesn't answer",
  EHOSTUNREACH: "there is no way to the host",
  ENETUNREACH: "there is no way to the network",
};

function describeNetworkError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError" || error.name === "TimeoutError")
    return `no answer within ${timeout_s} s`;
  const code = "code" in error ? String(error.code) : "";
  return networkErrors[code] ?? (error.message || code);
}
