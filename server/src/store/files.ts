import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

/** A file that is kept in the database. */
export interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly media_type: string;
  readonly size: number;
  readonly sha256: Buffer;
  readonly created_at: Date;
  readonly expires_at: Date;
}

/** Whose a file is: an account's, that of the holder of an address (a hash of it), or nobody's. */
export interface Owner {
  readonly accountId: string | null;
  readonly origin: string | null;
}

export interface NewFile extends Owner {
  readonly name: string;
  readonly mediaType: string;
  /** The task whose result it is to be. */
  readonly taskId: string | null;
  /** How long it is kept. */
  readonly keep_s: number;
  readonly max_bytes: number;
}

/** Bytes from the first to the last of a range, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const tooLarge = defineError(
  "too_large",
  "file_too_large",
  "{name} would be larger than the {max} MB that there is room for: ask for less, or delete what is kept already",
);
const fileGone = defineError(
  "conflict",
  "file_gone",
  "{name} is gone: it was cancelled, or is no longer kept",
);
const fileNotFound = defineError("not_found", "file_not_found", "There is no such file");

export const chunk_bytes = 1024 * 1024;
/** What one statement reads: the answer is decoded at once, and other requests wait as long. */
const piece_bytes = 256 * 1024;
/** Few enough that a batch takes milliseconds. */
const deleted_chunks = 16;

/**
 * Writes a file, in the memory that some chunks take however long it is. It is there once this answers; where it isn't
 * to be, as after an error, nothing of it stays.
 *
 * @param signal ends it
 * @throws KnownError when it is too large, or is deleted meanwhile; what the chunks or the signal throw
 */
export async function writeFile(
  db: Db,
  file: NewFile,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<StoredFile> {
  const id = await createFile(db, file);
  try {
    const { size, sha256 } = await writeChunks(db, { ...file, id }, chunks, signal);
    signal?.throwIfAborted();
    const written = await db
      .updateTable("file")
      .set({ complete: true, size, sha256 })
      .where("id", "=", id)
      .where(isKept)
      .returning(columns)
      .executeTakeFirst();
    return toStored(written) ?? throwGone(file);
  } catch (error) {
    // Where that fails as well, it goes when it would have gone in any case.
    await deleteFile(db, id).catch(() => {});
    throw error;
  }
}

/** A complete file that is still kept. @throws KnownError where there is none */
export async function getFile(db: Db, id: string): Promise<StoredFile> {
  const row = await db
    .selectFrom("file")
    .select(columns)
    .where("id", "=", id)
    .where("complete", "=", true)
    .where(isKept)
    .executeTakeFirst();
  const file = toStored(row);
  if (!file) throw fileNotFound();
  return file;
}

/**
 * Reads a range of a file, a piece at a time.
 *
 * @throws KnownError when it is deleted meanwhile
 */
export async function* readFile(
  db: Db,
  { id, name, size }: Pick<StoredFile, "id" | "name" | "size">,
  { first, last }: ByteRange = { first: 0, last: size - 1 },
): AsyncGenerator<Buffer> {
  for (let at = first; at <= last;) {
    const number = Math.floor(at / chunk_bytes);
    const offset = at % chunk_bytes;
    const length = Math.min(piece_bytes, chunk_bytes - offset, last - at + 1);
    const { rows } = await sql<{ piece: Buffer }>`
      select substring(bytes from ${offset + 1}::int for ${length}::int) as piece
      from file_chunk where file_id = ${id} and number = ${number}`.execute(db);
    const piece = rows[0]?.piece;
    if (piece?.length !== length) throw fileGone({ name });
    yield piece;
    at += length;
  }
}

/** Deletes a file, a few chunks at a time; none may be added while it goes. */
export async function deleteFile(db: Db, id: string, signal?: AbortSignal): Promise<void> {
  await db
    .updateTable("file")
    .set({ expires_at: sql`now()` })
    .where("id", "=", id)
    .where(isKept)
    .execute();
  const isOver = (): boolean => signal?.aborted ?? false;
  while (!isOver() && (await deleteChunks(db, id)) > 0);
  if (!isOver()) await db.deleteFrom("file").where("id", "=", id).execute();
}

/** Deletes the files that are no longer kept. @param signal ends it between two batches */
export async function deleteExpiredFiles(db: Db, signal?: AbortSignal): Promise<void> {
  const rows = await db
    .selectFrom("file")
    .select("id")
    .where("expires_at", "<=", sql<Date>`now()`)
    .execute();
  for (const { id } of rows) if (!signal?.aborted) await deleteFile(db, id, signal);
}

const columns = ["id", "name", "media_type", "size", "sha256", "created_at", "expires_at"] as const;
const isKept = sql<boolean>`expires_at > now()`;

type Row = Omit<StoredFile, "sha256"> & { readonly sha256: Buffer | null };

function toStored(row: Row | undefined): StoredFile | undefined {
  return row?.sha256 ? { ...row, sha256: row.sha256 } : undefined;
}

function throwGone({ name }: Pick<NewFile, "name">): never {
  throw fileGone({ name });
}

async function createFile(db: Db, file: NewFile): Promise<string> {
  const { id } = await db
    .insertInto("file")
    .values({
      name: file.name,
      media_type: file.mediaType,
      account_id: file.accountId,
      origin: file.origin,
      task_id: file.taskId,
      expires_at: sql<Date>`now() + make_interval(secs => ${file.keep_s})`,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

/** Stores each chunk while the next one is being made. */
async function writeChunks(
  db: Db,
  file: Pick<NewFile, "name" | "max_bytes"> & { readonly id: string },
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<{ size: number; sha256: Buffer }> {
  const hash = createHash("sha256");
  let size = 0;
  let number = 0;
  let storing = Promise.resolve();
  try {
    for await (const chunk of toChunks(pieces)) {
      signal?.throwIfAborted();
      size += chunk.length;
      if (size > file.max_bytes)
        throw tooLarge({ name: file.name, max: Math.floor(file.max_bytes / 1e6) });
      hash.update(chunk);
      await storing;
      storing = insertChunk(db, file, number++, chunk);
      // It is awaited before the next one; until then nobody else hears of its failure.
      storing.catch(() => {});
    }
  } finally {
    await storing;
  }
  return { size, sha256: hash.digest() };
}

/** Joins and cuts pieces to chunks of one size; the last one may be shorter. */
async function* toChunks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafe(chunk_bytes);
  let filled = 0;
  for await (const piece of pieces)
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunk_bytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < chunk_bytes) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(chunk_bytes);
      filled = 0;
    }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/**
 * The write that completes the file waits for the disk, and all before it is there by then: a chunk alone needn't, and
 * uploads don't wait for it either.
 */
async function insertChunk(
  db: Db,
  { id, name }: { readonly id: string; readonly name: string },
  number: number,
  bytes: Buffer,
): Promise<void> {
  const { numAffectedRows } = await sql`
    with unhurried as (select set_config('synchronous_commit', 'off', true))
    insert into file_chunk (file_id, number, bytes)
    select id, ${number}::int, ${bytes}::bytea from file, unhurried where id = ${id} and ${isKept}`.execute(
    db,
  );
  if (numAffectedRows !== 1n) throw fileGone({ name });
}

async function deleteChunks(db: Db, id: string): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from file_chunk where file_id = ${id} and number in (
      select number from file_chunk where file_id = ${id} order by number limit ${deleted_chunks}
    )`.execute(db);
  return Number(numAffectedRows);
}
