import { isUtf8 } from "node:buffer";
import type { DecodedUpload } from "@ents-backend/schemas/quarantine";
import type { WholeUpload } from "../store/quarantine-list.ts";
import { decodeQuarantined } from "./replay.ts";
import type { Measurement } from "./uplink.ts";

/** A body as people read it. */
interface Described {
  readonly hex: string;
  /** Null where it isn't text in UTF-8. */
  readonly text: string | null;
  readonly decoded: DecodedUpload;
}

type Kept = Pick<WholeUpload, "format" | "body" | "headers">;

/** Describes what is in an upload, whether or not it can be placed. */
export function describeUpload(upload: Kept): Described {
  const { body } = upload;
  return {
    hex: body.toString("hex"),
    text: isText(body) ? body.toString("utf8") : null,
    decoded: describeDecoded(upload),
  };
}

function isText(body: Buffer): boolean {
  return isUtf8(body) && !body.some((byte) => byte < 0x20 && !whiteSpace.has(byte));
}

const whiteSpace = new Set([0x09, 0x0a, 0x0d]);

function describeDecoded(upload: Kept): DecodedUpload {
  const content = decodeQuarantined(upload);
  if ("refusal" in content) return { refused: content.refusal.message };
  if ("ignored" in content) return { refused: content.ignored };
  return { measurements: content.measurements.map(describeMeasurement) };
}

function describeMeasurement({ cell, logger, ts, values }: Measurement) {
  return {
    cell,
    logger: logger ?? null,
    ts,
    values: values.map(({ stream: { name, measurement, unit }, value }) => ({
      name,
      measurement,
      unit,
      value: Number.isFinite(value) ? value : null,
    })),
  };
}
