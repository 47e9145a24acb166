import type { Upload, WholeUpload } from "@ents-backend/schemas/quarantine";
import type { Person } from "../auth/caller.ts";
import { describeUpload } from "../ingest/describe.ts";
import type { QuarantinedUpload, WholeUpload as Row } from "../store/quarantine-list.ts";

/** An upload in quarantine as a list answers it to someone. */
export function toUpload(row: QuarantinedUpload, person: Person): Upload {
  const isOwn = person.admin || row.account_id === person.userId;
  return {
    ...row,
    received_at: row.received_at.toISOString(),
    last_replayed_at: row.last_replayed_at?.toISOString() ?? null,
    account_id: isOwn ? row.account_id : null,
    reason: tellReason(row, person),
  };
}

/** The same, whole. */
export function toWholeUpload({ headers, body, ...row }: Row, person: Person): WholeUpload {
  return {
    ...toUpload(row, person),
    headers,
    ...describeUpload({ headers, body, format: row.format }),
  };
}

/** Why an upload was refused, as someone may be told: what went wrong inside is for admins. */
export function tellReason(
  { code, reason }: { readonly code: string; readonly reason: string },
  { admin }: Pick<Person, "admin">,
): string {
  if (code !== "internal_error" || admin) return reason;
  return "something went wrong here: the server's log says what";
}
