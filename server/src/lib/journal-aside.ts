import { open, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./data-dir.ts";

/** How much a journal keeps aside. */
export interface Aside {
  readonly files: number;
  readonly bytes: number;
}

/** A segment that was applied but for what was damaged in it; records that can't be applied. */
const namePattern = /^\d{15}-[0-9a-f]{12}\.ndjson\.(?:damaged|unkept)$/;

/** What lies in a journal's directory and isn't applied any more, for someone to look at. */
export class JournalAside {
  readonly #path: string;
  #extent: Aside = { files: 0, bytes: 0 };

  constructor(path: string) {
    this.#path = path;
  }

  /** How much there is, as of the last look. */
  get extent(): Aside {
    return this.#extent;
  }

  /** @param names of the files in the directory */
  async look(names: readonly string[]): Promise<void> {
    const files = names.filter((name) => namePattern.test(name));
    // Someone may take one away meanwhile.
    const sizes = files.map(async (name) => await sizeOf(join(this.#path, name)).catch(() => 0));
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    this.#extent = { files: files.length, bytes };
  }

  /** Keeps a file that is a segment. @returns where it is now; undefined where it is gone */
  async keepSegment(file: string, name: string): Promise<string | undefined> {
    const kept = join(this.#path, `${name}.damaged`);
    try {
      await rename(file, kept);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    await this.#settle();
    return kept;
  }

  /** Keeps lines of a segment; they are on the disk then. @returns where they are */
  async keepLines(lines: Buffer, name: string): Promise<string> {
    const kept = join(this.#path, `${name}.unkept`);
    const file = await open(kept, "a", 0o600);
    try {
      await file.appendFile(lines);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#settle();
    return kept;
  }

  async #settle(): Promise<void> {
    await syncDirectory(this.#path);
    await this.look(await readdir(this.#path));
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}
