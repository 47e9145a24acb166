import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";

/** An upload that could not be placed, whole, so that it can be replayed once its cause is mended. */
export interface Quarantined {
  /** Tells it from all others; one that comes again is kept once. */
  readonly uploadId?: string | undefined;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly path: string;
  readonly format: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly code: string;
  readonly reason: string;
  /** Whose key or token it came with. */
  readonly sentBy: SentBy;
  readonly about: About;
}

/** Who sent an upload, as far as a good key or token told. */
export interface SentBy {
  readonly userId?: string | undefined;
  readonly loggerId?: number | undefined;
}

/** What an upload refers to, as far as it can be read. */
export interface About {
  /** Whether its codec takes it. */
  readonly decodes: boolean;
  readonly cellIds: readonly number[];
  readonly cellNames: readonly string[];
  readonly loggerNumbers: readonly number[];
  /** The DevEUI of a webhook's device, in upper case. */
  readonly deviceEui: string | undefined;
}

/** How much there is. */
export interface Extent {
  readonly uploads: number;
  readonly bytes: number;
}

/** How many uploads went to make room: without key and unreadable, without key, and the rest. */
interface Evicted extends Extent {
  readonly unreadable: number;
  readonly keyless: number;
  readonly keyed: number;
}

/** Bytes that a row takes beside its texts and its body: its other columns, its places in the indexes. */
const overhead_bytes = 512;

/** Few enough that a batch takes milliseconds. */
const batch_rows = 1000;

/**
 * Keeps uploads, all or none, in one statement that has room for some thousands; answers after the commit. What is there
 * already, by its `uploadId`, stays as it is.
 *
 * @returns what was new
 */
export async function insertQuarantined(db: Db, uploads: readonly Quarantined[]): Promise<Extent> {
  if (uploads.length === 0) return { uploads: 0, bytes: 0 };
  const rows = await db
    .insertInto("quarantine")
    .values(uploads.map(toRow))
    .onConflict((conflict) => conflict.column("upload_id").doNothing())
    .returning("size_bytes")
    .execute();
  return { uploads: rows.length, bytes: sumOf(rows) };
}

/** How much is in quarantine. */
export async function measureQuarantine(db: Db): Promise<Extent> {
  const { rows } = await sql<Extent>`
    select count(*) as uploads, coalesce(sum(size_bytes), 0) as bytes from quarantine`.execute(db);
  return rows[0]!;
}

/**
 * Deletes some of what is worth least, the oldest first: what came without a good key and says nothing, then what
 * came without a good key, then the rest. Stops where no more than some bytes are left; one call goes through a batch.
 * Processes that do so at once take turns, and each measures what the one before has left.
 *
 * @returns what went, and what was there before it did
 */
export async function evictQuarantined(
  db: Db,
  most_bytes: number,
): Promise<{ readonly before: Extent; readonly gone: Evicted }> {
  return await transact(db, async (transaction) => {
    // Nobody waits for this lock who keeps an upload or lets one go.
    await sql`lock table quarantine in share update exclusive mode`.execute(transaction);
    const before = await measureQuarantine(transaction);
    return { before, gone: await evictBatch(transaction, before.bytes - most_bytes) };
  });
}

async function evictBatch(transaction: Db, excess_bytes: number): Promise<Evicted> {
  const { rows } = await sql<{ size_bytes: number; worth: number }>`
    delete from quarantine where id in (
      select id from (
        select id, sum(size_bytes) over (order by worth, id) - size_bytes as before
        from (
          select id, worth, size_bytes from quarantine
          order by worth, id limit ${batch_rows} for update skip locked
        ) as batch
      ) as least
      where before < ${excess_bytes}
    )
    returning size_bytes, worth`.execute(transaction);
  const [unreadable, keyless, keyed] = [0, 1, 2].map(
    (worth) => rows.filter((row) => row.worth === worth).length,
  );
  return {
    uploads: rows.length,
    bytes: sumOf(rows),
    unreadable: unreadable!,
    keyless: keyless!,
    keyed: keyed!,
  };
}

/** Lets an upload go. @returns what it was, if it was there */
export async function deleteQuarantined(db: Db, id: number): Promise<object | undefined> {
  return await db
    .deleteFrom("quarantine")
    .where("id", "=", id)
    .returning(["path", "received_at", "code", "reason", sql`octet_length(body)`.as("size")])
    .executeTakeFirst();
}

/** Lets uploads go that have found their place. @param uploadIds of all that have, whether or not they were here */
export async function releaseUploads(db: Db, uploadIds: readonly string[]): Promise<void> {
  if (uploadIds.length === 0) return;
  await sql`delete from quarantine where upload_id = any(${uploadIds}::uuid[])`.execute(db);
}

/** Notes that an upload was replayed and refused again, and why. @param at Unix seconds */
export async function noteReplay(
  db: Db,
  id: number,
  at: number,
  { code, reason }: Pick<Quarantined, "code" | "reason">,
): Promise<void> {
  await db
    .updateTable("quarantine")
    .set(({ eb }) => ({
      code,
      reason: toText(reason),
      replays: eb("replays", "+", 1),
      last_replayed_at: new Date(at * 1000),
    }))
    .where("id", "=", id)
    .execute();
}

function toRow({ sentBy, about, ...upload }: Quarantined) {
  const headers = JSON.stringify(upload.headers);
  const reason = toText(upload.reason);
  const texts = [upload.path, headers, reason].map((text) => Buffer.byteLength(text));
  return {
    upload_id: upload.uploadId ?? null,
    received_at: new Date(upload.receivedAt * 1000),
    path: upload.path,
    format: upload.format ?? null,
    headers,
    body: Buffer.from(upload.body),
    code: upload.code,
    reason,
    account_id: sentBy.userId ?? null,
    logger_id: sentBy.loggerId ?? null,
    keyed: sentBy.userId !== undefined || sentBy.loggerId !== undefined,
    decodes: about.decodes,
    device_eui: about.deviceEui ?? null,
    cell_ids: [...about.cellIds],
    cell_names: sql<string[]>`array(select lower(unnest(${about.cellNames}::text[])))`,
    logger_numbers: [...about.loggerNumbers],
    size_bytes: overhead_bytes + upload.body.length + texts.reduce((sum, size) => sum + size, 0),
  };
}

/** PostgreSQL's text holds no zero characters. */
function toText(text: string): string {
  return text.replaceAll("\0", "\u{fffd}");
}

function sumOf(rows: readonly { readonly size_bytes: number }[]): number {
  return rows.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
}
