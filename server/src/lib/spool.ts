import { randomUUID } from "node:crypto";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchRoom } from "./disk.ts";

const readSize_bytes = 64 * 1024;

/** ASCII text or bytes that are too much to be held: kept in a file without a name, which goes with its last use or this process. */
export class Spool {
  readonly #file: FileHandle;
  readonly #keepRoom = watchRoom(tmpdir());
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** To be closed by who opens it. */
  static async open(): Promise<Spool> {
    const path = join(tmpdir(), `ents-backend-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return new Spool(file);
  }

  /** Bytes that were written. */
  get size(): number {
    return this.#size;
  }

  /** Adds to the end; one call after the other. @throws KnownError when its disk has no room for that */
  async write(data: string | Uint8Array): Promise<void> {
    await this.#keepRoom(data.length);
    await this.#file.writeFile(data);
    this.#size += data.length;
  }

  /** The bytes from `start` to before `end`, both within what was written. */
  async slice(start: number, end: number): Promise<Buffer> {
    const { buffer } = await this.#file.read(Buffer.alloc(end - start), 0, end - start, start);
    return buffer;
  }

  /** All text that was written, from the beginning. */
  async *read(): AsyncGenerator<string> {
    const buffer = Buffer.allocUnsafe(readSize_bytes);
    for (let position = 0; ;) {
      const { bytesRead } = await this.#file.read({ buffer, position });
      if (bytesRead === 0) return;
      yield buffer.toString("latin1", 0, bytesRead);
      position += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
