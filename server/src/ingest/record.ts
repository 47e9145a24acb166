import type { Json } from "../lib/journal-lines.ts";
import type { Uplink } from "./uplink.ts";

/** An upload as the journal keeps it: its bytes in base64. */
interface Record extends Omit<Uplink, "payload"> {
  readonly payload: string;
}

/** An upload as the journal keeps it. */
export function toRecord(uplink: Uplink): Json {
  const { id, format, payload, receivedAt, credentials, path, headers } = uplink;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const record: Record = {
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

/** What the journal kept; whole, since its lines have checksums. */
export function fromRecord(json: Json): Uplink {
  const { format, payload, ...rest } = json as object as Record;
  return { ...rest, format, payload: Buffer.from(payload, "base64") };
}
