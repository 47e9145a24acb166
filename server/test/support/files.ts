import yazl from "yazl";
import { fromStream, inBlocks, type StoredFile } from "../../src/ingest/files/source.ts";
import type { Part, ReadOrder } from "../../src/ingest/files/format.ts";
import { getFormat } from "../../src/ingest/files/formats.ts";
import type { ImportFormat } from "@ents-backend/schemas/import";
import { Readable } from "node:stream";

/** A file that stands in memory. */
export function fileOf(name: string, content: string | Uint8Array): StoredFile {
  const bytes = Buffer.from(content);
  return {
    name,
    size: bytes.length,
    read: fromStream(() => Readable.from(inBlocks(once(bytes)))).read,
    slice: async (start, end) => bytes.subarray(start, end),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A zip file with these in it. */
export async function zipOf(name: string, files: Readonly<Record<string, string | Uint8Array>>) {
  const zip = new yazl.ZipFile();
  for (const [path, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), path);
  zip.end();
  const pieces: Buffer[] = [];
  for await (const piece of zip.outputStream) pieces.push(Buffer.from(piece));
  return fileOf(name, Buffer.concat(pieces));
}

export const readOrder: ReadOrder = {
  cellId: undefined,
  loggerId: undefined,
  receivedAt: 1_800_000_000,
  vwcUnit: "percent",
  mapping: undefined,
  signal: new AbortController().signal,
};

/** All that a file holds, read in one format. */
export async function readAll(
  format: ImportFormat,
  file: StoredFile,
  order: Partial<ReadOrder> = {},
): Promise<Omit<Part, "bytes">> {
  const parts: Part[] = [];
  for await (const part of getFormat(format).read(file, { ...readOrder, ...order }))
    parts.push(part);
  return {
    readings: parts.flatMap(({ readings }) => readings),
    lines: parts.flatMap(({ lines }) => lines),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    badRows: parts.flatMap(({ badRows }) => badRows),
    ignored: parts.at(-1)?.ignored ?? [],
  };
}
