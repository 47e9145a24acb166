import { randomBytes } from "node:crypto";
import {
  access,
  constants,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";
import { syncDirectory, useDataDir } from "./data-dir.ts";
import { JournalAside, type Aside } from "./journal-aside.ts";
import { countRecords, endsLine, type Batch } from "./journal-lines.ts";
import { Segment } from "./journal-segment.ts";

/** How much a journal holds. */
export interface Depth {
  readonly records: number;
  readonly bytes: number;
  /** When the oldest record came, Unix seconds. */
  readonly oldest?: number;
}

/** A segment as it lies in the directory. */
interface SegmentFile {
  readonly name: string;
  readonly state: State;
}

/** Appended to, perhaps; taken to be applied. */
type State = "open" | "taken";

/** How far this process has applied a segment, and what it met there. */
interface Applied {
  readonly bytes: number;
  readonly damaged: number;
}

interface Held {
  records: number;
  bytes: number;
  /** Whether this process counts what it appends: nobody else does. */
  readonly own: boolean;
}

const suffixes: Readonly<Record<State, string>> = { open: "", taken: ".taken" };
const namePattern = /^(\d{15}-[0-9a-f]{12}\.ndjson)(?:\.(taken))?$/;
const chunk_bytes = 256 * 1024;
const trial_bytes = 4096;
/** How long a write that is under way takes at most to reach the file, if not the disk. */
const writing_ms = 100;

/**
 * After which time whoever has taken a segment is believed to be dead; at once by a process that begins, which finds what
 * one before it has left. Were they not, it is applied twice.
 */
const taken_s = 300;

/**
 * The files of a journal: segments, each named by the moment when it was begun, so that names sort as time does; and
 * how much they hold. What other processes append is seen by `scan`.
 */
export class JournalDirectory {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  /** Segments that are this process's to apply: it took them, or found them taken when it began. */
  readonly #mine = new Set<string>();
  readonly #applied = new Map<string, Applied>();
  readonly #aside: JournalAside;
  /** Whether the last write was kept, and the last look found nothing in the way of another one. */
  isWritable = true;
  #lastName_ms = 0;

  private constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#aside = new JournalAside(path);
  }

  /** @throws KnownError when the directory can't be made */
  static async open(path: string, clock: Clock): Promise<JournalDirectory> {
    const directory = new JournalDirectory(path, clock);
    await useDataDir(dirname(path), async () => {
      for (const { name, state } of await directory.scan())
        if (state === "taken") directory.#mine.add(name);
    });
    return directory;
  }

  depth(): Depth {
    let [records, bytes] = [0, 0];
    let oldest: string | undefined;
    for (const [name, held] of this.#held) {
      records += held.records;
      bytes += held.bytes;
      if (held.records > 0 && (oldest === undefined || name < oldest)) oldest = name;
    }
    return { records, bytes, ...(oldest !== undefined && { oldest: parseInt(oldest, 10) / 1000 }) };
  }

  /** Files that are kept for someone to look at, as of the last scan. */
  aside(): Aside {
    return this.#aside.extent;
  }

  /** Sees what others have done, and lists all segments, the oldest first. Makes the directory where it is gone. */
  async scan(): Promise<SegmentFile[]> {
    const before = [...this.#held.keys()];
    const names = await this.#list();
    await this.#aside.look(names);
    const files = names.sort().flatMap(toSegmentFile);
    const there = new Set(files.map(({ name }) => name));
    for (const name of before) if (!there.has(name)) this.#forget(name);
    for (const file of files) await this.#look(file);
    return files;
  }

  /** Sees what others have done, and whether there may be written. */
  async look(): Promise<void> {
    try {
      await this.scan();
      this.isWritable ||= await canWrite(this.#path);
    } catch (error) {
      this.isWritable = false;
      throw error;
    }
  }

  /** A name for a segment that begins now, behind those of all that this process has begun. */
  nextName(): string {
    this.#lastName_ms = Math.max(Math.floor(this.#clock() * 1000), this.#lastName_ms + 1);
    const time = String(this.#lastName_ms).padStart(15, "0");
    return `${time}-${randomBytes(6).toString("hex")}.ndjson`;
  }

  /** Makes a segment to append to. */
  async make(name: string): Promise<Segment> {
    await this.scan();
    const segment = await Segment.create(join(this.#path, name));
    this.#held.set(name, { records: 0, bytes: 0, own: true });
    return segment;
  }

  /** Counts what was appended to a segment, unless it has been taken and applied by now. */
  count(name: string, records: number, bytes: number): void {
    const held = this.#held.get(name);
    if (!held) return;
    held.records += records;
    held.bytes += bytes;
  }

  /**
   * Takes a segment, so that nobody appends to it any more and expects that to be read.
   *
   * @returns what of it is still to be applied; undefined when it isn't there to be taken
   */
  async take({ name, state }: SegmentFile): Promise<AsyncIterable<Buffer> | undefined> {
    try {
      if (state === "open") await rename(this.#pathOf(name, "open"), this.#pathOf(name, "taken"));
      else if (!(await this.#mayTake(name))) return undefined;
      this.#mine.add(name);
      return readToEnd(await open(this.#pathOf(name, "taken")), this.appliedOf(name).bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Someone else was faster.
      this.#forget(name);
      return undefined;
    }
  }

  /** How much of a segment is done with. */
  appliedOf(name: string): Applied {
    return this.#applied.get(name) ?? { bytes: 0, damaged: 0 };
  }

  /** Notes that a batch of a segment is done with: that isn't read again, as long as this process lives. */
  noteApplied(name: string, { records, bytes, damaged }: Batch): void {
    const before = this.appliedOf(name);
    this.#applied.set(name, { bytes: before.bytes + bytes, damaged: before.damaged + damaged });
    const held = this.#held.get(name);
    if (held) held.records = Math.max(0, held.records - records.length);
  }

  /** Removes a segment that was applied. */
  async remove(name: string): Promise<void> {
    await rm(this.#pathOf(name, "taken"), { force: true });
    await syncDirectory(this.#path);
    this.#forget(name);
  }

  /**
   * Keeps a segment that was applied but for what was damaged in it, for someone to look at.
   *
   * @returns where it is; undefined where another process, which has applied it too, has kept it
   */
  async setAside(name: string): Promise<string | undefined> {
    const file = await this.#aside.keepSegment(this.#pathOf(name, "taken"), name);
    this.#forget(name);
    return file;
  }

  /** Keeps lines of a segment that can't be applied, for someone to look at; they are on the disk then. */
  async keepUnkept(name: string, lines: Buffer): Promise<string> {
    return await this.#aside.keepLines(lines, name);
  }

  /** @throws what the system says where nobody could write there */
  async #list(): Promise<string[]> {
    await makePrivate(this.#path);
    await access(this.#path, constants.W_OK);
    return await readdir(this.#path);
  }

  async #mayTake(name: string): Promise<boolean> {
    if (this.#mine.has(name)) return true;
    // A rename changes no other time.
    const { ctimeMs } = await stat(this.#pathOf(name, "taken"));
    return this.#clock() - ctimeMs / 1000 > taken_s;
  }

  /** Counts what a segment holds, where that isn't known or has changed. */
  async #look({ name, state }: SegmentFile): Promise<void> {
    const held = this.#held.get(name);
    if (held?.own) return;
    const path = this.#pathOf(name, state);
    try {
      const { size: bytes } = await stat(path);
      if (held?.bytes === bytes) return;
      const records = await countRecords(read(await open(path)));
      // This process may have begun it, and counted, while it was looked at.
      if (!this.#held.get(name)?.own) this.#held.set(name, { records, bytes, own: false });
    } catch (error) {
      // Someone else has taken or removed it.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  #forget(name: string): void {
    this.#held.delete(name);
    this.#mine.delete(name);
    this.#applied.delete(name);
  }

  #pathOf(name: string, state: State): string {
    return join(this.#path, name + suffixes[state]);
  }
}

/** @param autoClose whether to close the file after its end, or when nobody reads on */
function read(handle: FileHandle, start = 0, autoClose = true): AsyncIterable<Buffer> {
  return handle.createReadStream({ start, autoClose, highWaterMark: chunk_bytes });
}

/** Where the end is within a line, another process may be writing that just now: its rest is waited for, once. */
async function* readToEnd(handle: FileHandle, start: number): AsyncGenerator<Buffer> {
  let [end, isCut] = [start, false];
  const readOn = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of read(handle, end, false)) {
      end += chunk.length;
      isCut = !endsLine(chunk);
      yield chunk;
    }
  };
  try {
    yield* readOn();
    if (!isCut) return;
    await sleep(writing_ms);
    yield* readOn();
  } finally {
    await handle.close();
  }
}

function toSegmentFile(fileName: string): SegmentFile[] {
  const [, name, suffix = "open"] = namePattern.exec(fileName) ?? [];
  return name === undefined ? [] : [{ name, state: suffix as State }];
}

/** Finds out by writing: a full disk makes files all the same. */
async function canWrite(path: string): Promise<boolean> {
  const trial = join(path, "trial");
  try {
    await writeFile(trial, Buffer.alloc(trial_bytes), { mode: 0o600, flush: true });
    return true;
  } catch {
    return false;
  } finally {
    await rm(trial, { force: true }).catch(() => {});
  }
}

/** Makes a directory for the owner of this process alone, where there is none. */
async function makePrivate(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
