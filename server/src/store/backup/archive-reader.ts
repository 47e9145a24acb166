import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { defineError } from "../../lib/errors.ts";
import { readTar, type TarFile } from "../../lib/tar.ts";
import { Checksums } from "./checksums.ts";
import {
  fileNames,
  parseManifest,
  parseTotals,
  partName,
  type Manifest,
  type Totals,
} from "./manifest.ts";

/** Of a file in the archive, and of what it is when it isn't compressed any more. */
const largest_bytes = 64 * 1024 * 1024;

const decompress = promisify(gunzip);

const backupBroken = defineError("invalid", "backup_broken", "the backup isn't whole: {why}");

/** Reads the archive of a backup, once, from its beginning to its end: in the order of its methods. */
export class ArchiveReader {
  readonly #files: AsyncGenerator<TarFile>;
  readonly #checksums = new Checksums();
  #next: TarFile | undefined;
  #last = "its beginning";

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#files = readTar(chunks, largest_bytes);
  }

  /** @throws KnownError when it isn't a backup, or one of a later form */
  async manifest(): Promise<Manifest> {
    await this.#take(fileNames.readme);
    return parseManifest(await this.#take(fileNames.manifest));
  }

  /**
   * The rows of the next table, as COPY reads them, in parts of whole lines.
   *
   * @throws KnownError when the archive isn't whole
   */
  async *rows(table: string): AsyncGenerator<Buffer> {
    for (let nth = 1; (await this.#peek())?.name === partName(table, nth); nth++) {
      const body = await this.#take(partName(table, nth));
      yield await decompress(body, { maxOutputLength: largest_bytes }).catch(() => {
        throw backupBroken({ why: `${partName(table, nth)} in it was altered` });
      });
    }
  }

  /**
   * Reads what stands behind the last table, and makes sure that all of it is as it was written.
   *
   * @throws KnownError when it isn't
   */
  async end(): Promise<Totals> {
    const totals = parseTotals(await this.#take(fileNames.totals));
    const expected = this.#checksums.toString();
    const actual = await this.#take(fileNames.checksums);
    if (actual.toString() !== expected)
      throw backupBroken({ why: "its files aren't what their checksums say" });
    if (await this.#peek()) throw backupBroken({ why: "it doesn't end with its checksums" });
    return totals;
  }

  async #peek(): Promise<TarFile | undefined> {
    if (!this.#next) {
      const { value, done } = await this.#files.next();
      this.#next = done ? undefined : value;
    }
    return this.#next;
  }

  async #take(name: string): Promise<Buffer> {
    const file = await this.#peek();
    if (file?.name !== name) throw backupBroken({ why: `${name} doesn't follow ${this.#last}` });
    this.#next = undefined;
    this.#last = name;
    this.#checksums.add(file);
    return file.body;
  }
}
