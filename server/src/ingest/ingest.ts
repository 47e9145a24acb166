import { isDatabaseAway } from "../db/connect.ts";
import type { Log } from "../lib/log.ts";
import { insertQuarantined } from "../store/quarantine.ts";
import { writeReadings, type NewReading, type Written } from "../timeseries/write.ts";
import { codecs } from "./codecs/codecs.ts";
import { judge } from "./judge.ts";
import type { CreatorDeps } from "./newcomers.ts";
import { Refusal, unknownFormat, unknownUploadKey } from "./refusal.ts";
import type { Decoded, Measurement, Uplink } from "./uplink.ts";

export interface IngestDeps extends CreatorDeps {
  readonly log: Log;
}

/** What became of an upload. Nothing is stored of one that held nothing to store. */
export type Outcome =
  | {
      readonly measurements: readonly Measurement[];
      readonly readings: readonly NewReading[];
      readonly written: Written;
    }
  | { readonly ignored: string };

/**
 * THE write path: decode → judge → store. Answers after the commit. A door for known senders only lets no other
 * as far as that.
 *
 * @throws Refusal when the upload can't be placed, or what else went wrong with it; by then it is in quarantine,
 *   whole
 */
export async function ingest(deps: IngestDeps, uplink: Uplink): Promise<Outcome> {
  try {
    if (uplink.sender.kind === "unknown") throw unknownUploadKey();
    const decoded = decode(uplink);
    if ("ignored" in decoded) return decoded;
    const readings = await judge(deps, decoded.measurements, uplink);
    const written = await writeReadings(deps.db, readings);
    return { measurements: decoded.measurements, readings, written };
  } catch (error) {
    if (!isDatabaseAway(error)) await quarantine(deps, uplink, toReason(error));
    throw error;
  }
}

function decode({ format, payload, headers }: Uplink): Decoded {
  if (!format) throw unknownFormat(headers["content-type"] ?? "");
  return codecs[format](payload);
}

/** Why an upload is in quarantine: a code for programs, a sentence for people. */
interface Reason {
  readonly code: string;
  readonly reason: string;
}

function toReason(error: unknown): Reason {
  if (error instanceof Refusal) return { code: error.code, reason: error.message };
  return { code: "internal_error", reason: String(error) };
}

async function quarantine(
  { db, log }: Pick<IngestDeps, "db" | "log">,
  uplink: Uplink,
  { code, reason }: Reason,
): Promise<void> {
  const { format, payload, receivedAt, path, headers } = uplink;
  await insertQuarantined(db, {
    receivedAt,
    path,
    format,
    headers,
    body: payload,
    code,
    reason,
  });
  log.warn({ path, format, code, reason, bytes: payload.length }, "an upload went to quarantine");
}
