import { constants, createReadStream, type Stats } from "node:fs";
import { access, stat } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { defineError } from "../../lib/errors.ts";

/**
 * How much of a file is imported at a time. It makes some five thousand readings, one transaction: with more of
 * them, devices that upload to the same cell would have to wait for longer.
 */
const blockBytes = 2 ** 17;

/** Where the bytes of a file come from. */
export interface Source {
  /** Undefined for what comes through a pipe: that has no size, and can be read once. */
  readonly size: number | undefined;
  /** Reads from the beginning. Throws the signal's reason when it is aborted. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
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
      readStream(createReadStream(path, { end, highWaterMark: blockBytes }), signal),
  };
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

/** Joins chunks until they make a block: pipes hand out small ones. */
async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    block.push(chunk);
    length += chunk.length;
    if (length < blockBytes) continue;
    yield Buffer.concat(block);
    block = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(block);
}
