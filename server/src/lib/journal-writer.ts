import { defineError } from "./errors.ts";
import type { JournalDirectory } from "./journal-directory.ts";
import type { Segment } from "./journal-segment.ts";
import type { Log } from "./log.ts";

const journalFull = defineError("unavailable", "journal_full", "the journal is full ({reason})");
const journalUnwritable = defineError(
  "unavailable",
  "journal_unwritable",
  "the journal can't be written ({reason})",
);

export interface WriterOptions {
  /** What the journal may hold, with what waits to be written. */
  readonly max_bytes: number;
  readonly log: Log;
}

interface Waiting {
  readonly line: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What is appended to; it has a name before it is made, so that it can be left at any moment. */
interface Current {
  readonly name: string;
  segment?: Segment;
}

const megabyte = 1024 * 1024;
const segment_bytes = 16 * megabyte;
const waiting_bytes = 32 * megabyte;
const group_bytes = 4 * megabyte;

/**
 * Appends lines to segments. All that come while the disk is busy share the next write and wait for it once.
 *
 * No lock keeps a segment from being taken and read by someone else meanwhile. It isn't needed: who takes one renames
 * it first and reads it to its end afterwards. A writer looks, after its bytes are on the disk, whether the segment
 * still has its name. If it has, a rename can only come later, and the reading after it meets the bytes. If not, nobody
 * knows whether they were read, and they are written again elsewhere before anyone is told that they are kept.
 */
export class JournalWriter {
  readonly #directory: JournalDirectory;
  readonly #options: WriterOptions;
  #current: Current | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #group: Promise<void> | undefined;
  #closed = false;

  constructor(directory: JournalDirectory, options: WriterOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** @throws KnownError when the line is not kept */
  async append(line: Buffer): Promise<void> {
    this.#checkRoom(line.length);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ line, resolve, reject });
    this.#waitingBytes += line.length;
    this.#writing ??= this.#writeAll();
    await promise;
  }

  /** Appends to a segment no more; waits for what is being written. Spares a write that would be taken from it. */
  async leave(name: string): Promise<void> {
    const left = this.#current;
    if (left?.name !== name) return;
    this.#current = undefined;
    await this.#group;
    await left.segment?.close();
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#current?.segment?.close();
    this.#current = undefined;
  }

  #checkRoom(bytes: number): void {
    if (this.#closed) throw journalUnwritable({ reason: "it is closed" });
    const waiting = this.#waitingBytes + bytes;
    if (waiting > waiting_bytes) throw journalFull({ reason: "too much waits for the disk" });
    const { max_bytes } = this.#options;
    if (this.#directory.depth().bytes + waiting > max_bytes)
      throw journalFull({ reason: `it may hold ${max_bytes} bytes` });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#group = this.#writeGroup(this.#nextGroup());
      await this.#group;
    }
    this.#writing = undefined;
  }

  /** As much as a write may have, and one line at least. */
  #nextGroup(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ line }) => (bytes += line.length) > group_bytes);
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : Math.max(end, 1));
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const bytes = Buffer.concat(group.map(({ line }) => line));
    const failure = await this.#write(bytes, group.length).catch((error: Error) => error);
    this.#waitingBytes -= bytes.length;
    this.#directory.isWritable = !failure;
    if (!failure) return group.forEach(({ resolve }) => resolve());
    this.#options.log.error({ err: failure }, "the journal can't be written");
    const { code = "unknown" } = failure as NodeJS.ErrnoException;
    group.forEach(({ reject }) => reject(journalUnwritable({ reason: code })));
  }

  async #write(bytes: Buffer, records: number): Promise<void> {
    for (;;) {
      const { name, segment } = await this.#segmentFor(bytes.length);
      try {
        await segment.append(bytes);
        if (await segment.isInPlace()) return this.#directory.count(name, records, bytes.length);
      } catch (error) {
        this.#current = undefined;
        await segment.abandon();
        throw error;
      }
    }
  }

  /** The segment in use, or a new one where that is full or was taken. */
  async #segmentFor(bytes: number): Promise<Required<Current>> {
    const { name, segment } = this.#current ?? {};
    if (name !== undefined && segment && segment.bytes + bytes <= segment_bytes)
      if (await segment.isInPlace()) return { name, segment };
    const next: Current = { name: this.#directory.nextName() };
    this.#current = next;
    await segment?.close();
    next.segment = await this.#directory.make(next.name);
    return { name: next.name, segment: next.segment };
  }
}
