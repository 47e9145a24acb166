import { open, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "./data-dir.ts";

/** A segment of a journal while this process appends to it. */
export class Segment {
  readonly #path: string;
  readonly #handle: FileHandle;
  #bytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Makes an empty one, whose name survives a power failure. */
  static async create(path: string): Promise<Segment> {
    const segment = new Segment(path, await open(path, "ax", 0o600));
    try {
      await syncDirectory(dirname(path));
      return segment;
    } catch (error) {
      await segment.abandon();
      throw error;
    }
  }

  /** How much of it is on the disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when the bytes are on the disk. After a failure the segment is to be abandoned. */
  async append(bytes: Buffer): Promise<void> {
    await this.#handle.appendFile(bytes);
    await this.#handle.datasync();
    this.#bytes += bytes.length;
  }

  /** Whether its name still is its own: nobody has taken it to read it. */
  async isInPlace(): Promise<boolean> {
    const own = await this.#handle.stat();
    const there = await stat(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    return there?.ino === own.ino && there.dev === own.dev;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Gives it up after a failed write, and as far as the disk still can, leaves nothing behind of that. */
  async abandon(): Promise<void> {
    const tidy = this.#bytes === 0 ? rm(this.#path) : this.#handle.truncate(this.#bytes);
    await tidy.catch(() => {});
    await this.#handle.close().catch(() => {});
  }
}
