import type { Json } from "../lib/journal-lines.ts";
import type { Uplink } from "./uplink.ts";

/** An upload as the journal keeps it: its bytes in base64. Records of before there was a version have none. */
interface Record extends Omit<Uplink, "payload"> {
  readonly v?: typeof version;
  readonly payload: string;
}

const version = 1;

/** An upload as the journal keeps it. */
export function toRecord(uplink: Uplink): Json {
  const { id, format, payload, receivedAt, credentials, path, headers } = uplink;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const record: Record = {
    v: version,
    id,
    format,
    payload: bytes.toString("base64"),
    receivedAt,
    credentials,
    path,
    headers,
  };
  // What is undefined is left out of JSON, and undefined when it comes back.
  return record as object as Json;
}

/** What the journal kept; whole, since its lines have checksums. Undefined: another version's, or not ours. */
export function fromRecord(json: unknown): Uplink | undefined {
  if (!isRecord(json)) return undefined;
  const { v: _, format, payload, ...rest } = json;
  return { ...rest, format, payload: Buffer.from(payload, "base64") };
}

function isRecord(json: unknown): json is Record {
  if (typeof json !== "object" || json === null || !("payload" in json)) return false;
  const isKnown = !("v" in json) || json.v === version;
  return isKnown && typeof json.payload === "string";
}
