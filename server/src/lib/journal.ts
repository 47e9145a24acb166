import type { Clock } from "./clock.ts";
import type { Aside } from "./journal-aside.ts";
import { JournalDirectory, type Depth } from "./journal-directory.ts";
import { readBatches, toLine, type Json } from "./journal-lines.ts";
import { JournalWriter, type WriterOptions } from "./journal-writer.ts";
import { Turns } from "./turns.ts";

export interface JournalOptions extends WriterOptions {
  readonly clock: Clock;
}

/**
 * Does with records what they were kept for. It may be given a record again after it has done that.
 *
 * @returns those for which that can never be done: they are kept aside, and hold up no others
 */
type Apply = (records: readonly Json[]) => Promise<readonly Json[] | void>;

/** Says of records that they can't be applied now, and that others perhaps can: theirs is the only segment that waits. */
export class NotYet extends Error {
  override readonly name = "NotYet";

  constructor(cause: unknown) {
    super("records of the journal can't be applied yet", { cause });
  }
}

/**
 * A log on disk of what can't be done at once: it survives crashes and power failures, keeps the order in which it
 * was told, and never holds more than it may. Processes that share its directory may all append and drain at once.
 */
export class Journal {
  readonly #directory: JournalDirectory;
  readonly #writer: JournalWriter;
  readonly #options: JournalOptions;
  readonly #drains = new Turns();

  private constructor(directory: JournalDirectory, options: JournalOptions) {
    this.#directory = directory;
    this.#writer = new JournalWriter(directory, options);
    this.#options = options;
  }

  /**
   * Opens the journal in a directory, which is made where there is none, and counts what it holds.
   *
   * @throws KnownError when the directory can't be made
   */
  static async open(path: string, options: JournalOptions): Promise<Journal> {
    const directory = await JournalDirectory.open(path, options.clock);
    const { files, bytes } = directory.aside();
    if (files > 0)
      options.log.warn(
        { path, files, bytes },
        "files of the journal were kept aside, to be looked at",
      );
    return new Journal(directory, options);
  }

  /**
   * Keeps a record; resolves when it is on the disk. Records are kept in the order of the calls.
   *
   * @throws KnownError `journal_full`, `journal_unwritable`: nobody may rely on the record's being kept
   */
  async append(record: Json): Promise<void> {
    await this.#writer.append(toLine(record));
  }

  /**
   * Hands out all that is kept, the oldest first, and forgets it. What comes meanwhile is for the next time. What other
   * processes are applying at this moment is left to them, but for what they had taken when this one began.
   *
   * A record comes once, unless applying failed, another process shares the directory, or this one was ended.
   *
   * @param apply fails: so does this, and the next time begins with those records; but with NotYet it fails when all
   *   other segments have been handed out
   * @param signal ends it between two batches
   */
  async drain(apply: Apply, signal?: AbortSignal): Promise<void> {
    await this.#drains.take("", async () => {
      let waiting: NotYet | undefined;
      for (const file of await this.#directory.scan()) {
        if (signal?.aborted) return;
        await this.#writer.leave(file.name);
        const chunks = await this.#directory.take(file);
        if (!chunks) continue;
        try {
          await this.#drainSegment(file.name, chunks, apply, signal);
        } catch (error) {
          if (!(error instanceof NotYet)) throw error;
          waiting ??= error;
        }
      }
      if (waiting) throw waiting;
    });
  }

  /** Sees what other processes have appended, applied or left behind, and whether it can be written. */
  async look(): Promise<void> {
    await this.#directory.look();
  }

  /** Whether it took what came last, and would take more, as of the last look. */
  isWritable(): boolean {
    return this.#directory.isWritable;
  }

  /** How much is kept, as far as this process knows: what others append it sees when it looks or drains. */
  depth(): Depth {
    return this.#directory.depth();
  }

  /** What is kept aside for someone to look at; it takes none of the room for what is to be applied. */
  aside(): Aside {
    return this.#directory.aside();
  }

  /** Waits for the writes in flight; nothing can be appended afterwards. */
  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #drainSegment(
    name: string,
    chunks: AsyncIterable<Buffer>,
    apply: Apply,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for await (const batch of readBatches(chunks)) {
      if (signal?.aborted) return;
      if (batch.records.length > 0) await this.#keepAside(name, await apply(batch.records));
      this.#directory.noteApplied(name, batch);
    }
    const { damaged } = this.#directory.appliedOf(name);
    if (damaged === 0) return await this.#directory.remove(name);
    const file = await this.#directory.setAside(name);
    if (file === undefined) return;
    this.#options.log.error(
      { file, damaged },
      "lines of the journal were damaged and are kept aside; the last of a file may be a write that was cut short, which was never acknowledged",
    );
  }

  async #keepAside(name: string, records: readonly Json[] | void): Promise<void> {
    if (!records || records.length === 0) return;
    const file = await this.#directory.keepUnkept(name, Buffer.concat(records.map(toLine)));
    this.#options.log.error(
      { file, records: records.length },
      "records of the journal can't be applied and are kept aside; without the end of its name their file is tried again",
    );
  }
}
