import { crc32 } from "node:zlib";

/** What a record of the journal is made of. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** Records that stood one after the other. */
export interface Batch {
  readonly records: readonly Json[];
  /** How much of the segment that was. */
  readonly bytes: number;
  /** How many lines between them were no records any more. */
  readonly damaged: number;
}

const newline = 0x0a;
const unreadable = Buffer.alloc(0);
const batch_records = 500;
const batch_bytes = 4 * 1024 * 1024;

/** A record as a line: the CRC-32 of its JSON in eight hexadecimal digits, a space, the JSON. */
export function toLine(record: Json): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${sumOf(json)} ${json}\n`);
}

/** Whether what was read so far ends with a line. */
export function endsLine(chunk: Buffer): boolean {
  return chunk.at(-1) === newline;
}

/** Counts the records in a segment. Memory stays within a chunk and a line, as in all that reads here. */
export async function countRecords(chunks: AsyncIterable<Buffer>): Promise<number> {
  let records = 0;
  for await (const lines of readLines(chunks)) records += lines.filter(isWhole).length;
  return records;
}

/** Reads the records of a segment, in order, some hundreds or a few megabytes at a time. */
export async function* readBatches(chunks: AsyncIterable<Buffer>): AsyncGenerator<Batch> {
  let batch = new GrowingBatch();
  for await (const lines of readLines(chunks))
    for (const line of lines) {
      if (!batch.hasRoomFor(line)) {
        yield batch;
        batch = new GrowingBatch();
      }
      batch.add(line);
    }
  yield batch;
}

class GrowingBatch implements Batch {
  readonly records: Json[] = [];
  bytes = 0;
  damaged = 0;

  hasRoomFor(line: Buffer): boolean {
    return this.records.length < batch_records && this.bytes + line.length <= batch_bytes;
  }

  add(line: Buffer): void {
    this.bytes += line.length + 1;
    if (!isWhole(line)) return void this.damaged++;
    this.records.push(JSON.parse(jsonOf(line).toString()) as Json);
  }
}

/**
 * For each chunk the lines that end in it. What follows the last newline is a line too: a write that was cut short, and
 * so never promised to anyone, or what damage left of records that were. What the disk can't read counts as one line, an
 * empty one.
 */
async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  try {
    for await (const chunk of chunks) {
      const end = chunk.lastIndexOf(newline) + 1;
      if (end > 0) yield splitLines(Buffer.concat([...rest, chunk.subarray(0, end)]));
      rest = end > 0 ? [chunk.subarray(end)] : [...rest, chunk];
    }
    const last = Buffer.concat(rest);
    if (last.length > 0) yield [last];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    yield [unreadable];
  }
}

/** @param bytes end in a newline */
function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(newline, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function isWhole(line: Buffer): boolean {
  const json = jsonOf(line);
  return json.length > 0 && line.toString("latin1", 0, 9) === `${sumOf(json)} `;
}

function jsonOf(line: Buffer): Buffer {
  return line.subarray(9);
}

function sumOf(json: string | Buffer): string {
  return crc32(json).toString(16).padStart(8, "0");
}
