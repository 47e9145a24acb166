import { constants, createReadStream, type Stats } from "node:fs";
import { access, open as openHandle, stat } from "node:fs/promises";
import { basename } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { defineError } from "../../lib/errors.ts";
import { Spool } from "../../lib/spool.ts";

/**
 * How much of a file is imported at a time. It makes some five thousand readings, one transaction: with more of
 * them, devices that upload to the same cell would have to wait for longer.
 */
const block_bytes = 2 ** 17;

/** Where the bytes of a file come from. */
export interface Source {
  /** Undefined for what comes through a pipe: that has no size, and can be read once. */
  readonly size: number | undefined;
  /** Reads from the beginning. Throws the signal's reason when it is aborted. */
  readonly read: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** A file that can be read as often as is needed, and anywhere in it. */
export interface StoredFile extends Source {
  readonly name: string;
  readonly size: number;
  /** The bytes from `start` to before `end`, both within the file. */
  readonly slice: (start: number, end: number) => Promise<Uint8Array>;
}

const noFile = defineError("not_found", "no_file", "there is no file {path}");
const isDirectory = defineError("invalid", "is_directory", "{path} is a directory, not a file");
const unreadable = defineError("invalid", "unreadable_file", "{path} can't be read: {why}");

/** @throws KnownError when there is no such file, or it can't be read */
export async function openFile(path: string): Promise<Source> {
  const stats = await inspect(path);
  if (stats.isDirectory()) throw isDirectory({ path });
  if (!stats.isFile()) return fromStream(() => createReadStream(path));
  const { size } = stats;
  // What is written to it from now on is not ours: all passes must see the same.
  const end = Math.max(0, size - 1);
  return {
    size,
    read: (signal) =>
      readStream(createReadStream(path, { end, highWaterMark: block_bytes }), signal),
  };
}

/** A file that is to be closed when it isn't read any more. */
export interface OpenFile extends StoredFile {
  close(): Promise<void>;
}

/**
 * Opens a file; what can be read only once is kept meanwhile in a file without a name.
 *
 * @throws KnownError when there is no such file, or it can't be read; the signal's reason
 */
export async function openStoredFile(path: string, signal: AbortSignal): Promise<OpenFile> {
  const source = await openFile(path);
  const [name, { size, read }] = [basename(path), source];
  if (size === undefined) return await keepStream(name, source, signal);
  const slice = (start: number, end: number) => readSlice(path, start, end);
  return { name, size, read, slice, close: async () => {} };
}

/** The same of what comes through a pipe. */
export async function keepStream(
  name: string,
  { read }: Source,
  signal: AbortSignal,
): Promise<OpenFile> {
  const spool = await Spool.open();
  try {
    for await (const block of read(signal)) await spool.write(block);
  } catch (error) {
    await spool.close();
    throw error;
  }
  return {
    name,
    size: spool.size,
    read: (reading) => readSpool(spool, reading),
    slice: (start, end) => spool.slice(start, end),
    close: () => spool.close(),
  };
}

async function* readSpool(spool: Spool, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < spool.size; at += block_bytes) {
    signal.throwIfAborted();
    yield await spool.slice(at, Math.min(at + block_bytes, spool.size));
  }
}

async function readSlice(path: string, start: number, end: number): Promise<Uint8Array> {
  const file = await openHandle(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A source that can be read once. */
export function fromStream(open: () => Readable): Source {
  return { size: undefined, read: (signal) => readStream(open(), signal) };
}

async function inspect(path: string): Promise<Stats> {
  try {
    const stats = await stat(path);
    await access(path, constants.R_OK);
    return stats;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw noFile({ path });
    throw unreadable({ path, why: code === "EACCES" ? "permission denied" : message });
  }
}

async function* readStream(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* inBlocks(addAbortSignal(signal, stream) as AsyncIterable<Uint8Array>);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

/** Joins chunks until they make a block: pipes hand out small ones. Larger ones are cut. */
export async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of cut(chunks)) {
    block.push(chunk);
    length += chunk.length;
    if (length < block_bytes) continue;
    yield Buffer.concat(block);
    block = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(block);
}

async function* cut(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += block_bytes)
      yield chunk.subarray(at, at + block_bytes);
}
