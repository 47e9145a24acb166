import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Clock } from "../../lib/clock.ts";
import { tarEnd, toTar } from "../../lib/tar.ts";
import { Checksums } from "./checksums.ts";
import { toLineParts } from "./line-parts.ts";
import { fileNames, partName, readme, type Manifest, type Totals } from "./manifest.ts";

/** Of rows before they are compressed. */
const part_bytes = 4 * 1024 * 1024;
/** Higher levels save a twentieth, and take twice the time. */
const level = 1;

const compress = promisify(gzip);

/** Makes the bytes of a backup's archive, in the order in which they are to be written. */
export class ArchiveWriter {
  readonly #checksums = new Checksums();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  *begin(manifest: Manifest): Generator<Buffer> {
    yield this.#file(fileNames.readme, Buffer.from(readme));
    yield this.#json(fileNames.manifest, manifest);
  }

  /** @param chunks rows as COPY writes them, however they are cut */
  async *table(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let nth = 0;
    let compressing: Promise<Buffer> | undefined;
    for await (const part of toLineParts(chunks, part_bytes)) {
      if (compressing) yield this.#file(partName(name, ++nth), await compressing);
      compressing = compress(part, { level });
      // It is awaited in its turn; until then its failure is nobody's.
      compressing.catch(() => undefined);
    }
    if (compressing) yield this.#file(partName(name, ++nth), await compressing);
  }

  *end(totals: Totals): Generator<Buffer> {
    yield this.#json(fileNames.totals, totals);
    yield toTar(
      { name: fileNames.checksums, body: Buffer.from(this.#checksums.toString()) },
      this.#clock(),
    );
    yield tarEnd;
  }

  #json(name: string, value: object): Buffer {
    return this.#file(name, Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  }

  #file(name: string, body: Buffer): Buffer {
    const file = { name, body };
    this.#checksums.add(file);
    return toTar(file, this.#clock());
  }
}
