import { insertQuarantined, type Quarantined, type SentBy } from "../store/quarantine.ts";
import type { Db } from "../db/connect.ts";
import type { Log } from "../lib/log.ts";
import type { QuarantineKeeper } from "./quarantine-keeper.ts";
import { findReferences } from "./references.ts";
import { Refusal } from "./refusal.ts";
import type { Sender, Uplink } from "./uplink.ts";

export interface QuarantineDeps {
  readonly db: Db;
  readonly log: Log;
  readonly quarantine: Pick<QuarantineKeeper, "noteKept">;
}

/** An upload that was refused, or that something else went wrong with. */
interface Refused {
  readonly uplink: Uplink;
  readonly sender: Sender;
  readonly error: unknown;
}

/** Why an upload is in quarantine: a code for programs, a sentence for people. */
export interface Reason {
  readonly code: string;
  readonly reason: string;
}

/** Puts uploads into quarantine, whole, all or none; answers after the commit. */
export async function quarantine(deps: QuarantineDeps, refused: readonly Refused[]): Promise<void> {
  const uploads = refused.map(toQuarantined);
  deps.quarantine.noteKept(await insertQuarantined(deps.db, uploads));
  for (const { path, format, code, reason, body } of uploads)
    deps.log.warn(
      { path, format, code, reason, bytes: body.length },
      "an upload went to quarantine",
    );
}

/** Why an upload could not be stored. */
export function toReason(error: unknown): Reason {
  if (error instanceof Refusal) return { code: error.code, reason: error.message };
  return { code: "internal_error", reason: String(error) };
}

function toQuarantined({ uplink, sender, error }: Refused): Quarantined {
  const { id, format, payload, receivedAt, path, headers } = uplink;
  return {
    uploadId: id,
    receivedAt,
    path,
    format,
    headers,
    body: payload,
    ...toReason(error),
    sentBy: toSentBy(sender),
    about: findReferences(format, payload),
  };
}

function toSentBy(sender: Sender): SentBy {
  if (sender.kind === "user") return { userId: sender.userId ?? undefined };
  return sender.kind === "logger" ? { loggerId: sender.loggerId } : {};
}
