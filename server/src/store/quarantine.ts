import type { Db } from "../db/connect.ts";

/** An upload that could not be placed, whole, so that it can be replayed once its cause is mended. */
export interface Quarantined {
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly path: string;
  readonly format: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly code: string;
  readonly reason: string;
}

/** Keeps an upload; answers after the commit. */
export async function insertQuarantined(db: Db, upload: Quarantined): Promise<void> {
  await db
    .insertInto("quarantine")
    .values({
      received_at: new Date(upload.receivedAt * 1000),
      path: upload.path,
      format: upload.format ?? null,
      headers: JSON.stringify(upload.headers),
      body: Buffer.from(upload.body),
      code: upload.code,
      reason: upload.reason.replaceAll("\0", "\u{fffd}"),
    })
    .execute();
}
