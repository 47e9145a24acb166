import type { Db } from "../db/connect.ts";
import { inBlocks, type StoredFile } from "../ingest/files/source.ts";
import { readFile } from "../store/files.ts";
import type { SentFile } from "../store/imports.ts";

/** A file that was sent and is kept in the database, as imports read files. */
export function openSentFile(db: Db, file: SentFile): StoredFile {
  const { name, size } = file;
  return {
    name,
    size,
    read: (signal) => inBlocks(readAll(db, file, signal)),
    async slice(start, end) {
      if (end <= start) return new Uint8Array(0);
      const pieces: Uint8Array[] = [];
      for await (const piece of readFile(db, file, { first: start, last: end - 1 }))
        pieces.push(piece);
      return Buffer.concat(pieces);
    },
  };
}

async function* readAll(db: Db, file: SentFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const piece of readFile(db, file)) {
    signal.throwIfAborted();
    yield piece;
  }
}
