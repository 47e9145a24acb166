import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from "yauzl";
import { defineError, KnownError } from "../../lib/errors.ts";
import { printable } from "./quote.ts";
import { tap } from "./row.ts";
import { fromStream, type StoredFile } from "./source.ts";

const mostEntries = 2000;
const mostUnpacked_bytes = 8e9;
/** Measurements as text shrink to a tenth or so. What shrinks to a hundredth was made to be large. */
const mostGrowth = 100;
/** Below this, growth does no harm. */
const harmless_bytes = 64e6;

const brokenZip = defineError("invalid", "broken_zip", "{file} is a broken zip file: {why}");
const tooManyEntries = defineError(
  "too_large",
  "too_many_zip_entries",
  "{file} holds {count} files, and {most} is the most at once: import it in parts",
);
const zipTooLarge = defineError(
  "too_large",
  "zip_too_large",
  "{file} unpacks to {size} MB, far more than {packed} MB of measurements would: unpack it and import its files",
);
const encrypted = defineError("invalid", "zip_encrypted", "{file} needs a password: unpack it");
const unknownCompression = defineError(
  "invalid",
  "zip_compression",
  "{file} is packed in a way that isn't known here: unpack it",
);

/** By the signature of a file in it, or of an empty one. */
export function isZip(head: Uint8Array): boolean {
  const signature = Buffer.from(head.subarray(0, 4)).toString("hex");
  return signature === "504b0304" || signature === "504b0506";
}

/**
 * The files in a zip file, without folders and what programs put beside files for themselves. They are unpacked as
 * they are read, each as long as the zip file says and no longer.
 *
 * @throws KnownError when it is broken, holds too many files, or unpacks to too much
 */
export async function openZip(file: StoredFile, signal: AbortSignal): Promise<StoredFile[]> {
  try {
    const zip = await fromRandomAccessReaderPromise(new FileReader(file, signal), file.size, {
      lazyEntries: true,
      autoClose: false,
    });
    return (await listEntries(zip, file)).map((entry) => toStoredFile(zip, entry, file));
  } catch (error) {
    signal.throwIfAborted();
    throw toKnown(error, file.name);
  }
}

async function listEntries(zip: ZipFile, file: StoredFile): Promise<Entry[]> {
  if (zip.entryCount > mostEntries)
    throw tooManyEntries({ file: file.name, count: zip.entryCount, most: mostEntries });
  const entries: Entry[] = [];
  let unpacked_bytes = 0;
  for await (const entry of zip.eachEntry()) {
    if (isHousekeeping(entry.fileName)) continue;
    entries.push(entry);
    unpacked_bytes += entry.uncompressedSize;
  }
  const most = Math.min(mostUnpacked_bytes, Math.max(harmless_bytes, mostGrowth * file.size));
  if (unpacked_bytes > most) {
    const [size, packed] = [unpacked_bytes, file.size].map((bytes) => Math.ceil(bytes / 1e6));
    throw zipTooLarge({ file: file.name, size: size!, packed: packed! });
  }
  return entries;
}

/** Folders; what macOS and others hide beside files. */
function isHousekeeping(name: string): boolean {
  return name.endsWith("/") || /(?:^|\/)(?:__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/.test(name);
}

function toStoredFile(zip: ZipFile, entry: Entry, file: StoredFile): StoredFile {
  const name = `${file.name}/${printable(entry.fileName)}`;
  const read = async function* (signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (entry.isEncrypted()) throw encrypted({ file: name });
    if (!entry.canDecodeFileData()) throw unknownCompression({ file: name });
    try {
      const stream = await zip.openReadStreamPromise(entry);
      let checksum = 0;
      const chunks = fromStream(() => stream).read(signal);
      yield* tap(chunks, (chunk) => (checksum = crc32(chunk, checksum)));
      if (checksum !== entry.crc32) throw new Error("its checksum is another one");
    } catch (error) {
      signal.throwIfAborted();
      throw toKnown(error, name);
    }
  };
  return {
    name,
    size: entry.uncompressedSize,
    read,
    slice: (start, end) => skipTo(read, start, end),
  };
}

/** Packed bytes can only be read from their beginning: to be asked for what stands there. */
async function skipTo(
  read: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for await (const chunk of read(new AbortController().signal)) {
    pieces.push(chunk.subarray(Math.max(0, start - at), Math.max(0, end - at)));
    at += chunk.length;
    if (at >= end) break;
  }
  return Buffer.concat(pieces);
}

function toKnown(error: unknown, file: string): unknown {
  if (error instanceof KnownError) return error;
  return error instanceof Error ? brokenZip({ file, why: error.message }) : error;
}

const piece_bytes = 2 ** 18;

class FileReader extends RandomAccessReader {
  readonly #file: StoredFile;
  readonly #signal: AbortSignal;

  constructor(file: StoredFile, signal: AbortSignal) {
    super();
    this.#file = file;
    this.#signal = signal;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#pieces(start, end), { objectMode: false });
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += piece_bytes) {
      this.#signal.throwIfAborted();
      yield await this.#file.slice(at, Math.min(end, at + piece_bytes));
    }
  }
}
