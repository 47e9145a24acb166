import { defineError } from "./errors.ts";

/** A file in an archive. */
export interface TarFile {
  readonly name: string;
  readonly body: Buffer;
}

const block_bytes = 512;
const zeros = Buffer.alloc(block_bytes);

const archiveBroken = defineError(
  "invalid",
  "archive_broken",
  "this is no archive of ours, or it isn't whole: {why}",
);

/** Where the fields of a header stand, which of them are numbers in octal. Source: POSIX.1-1988, ustar. */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
} as const;
type Field = keyof typeof fields;

const magic = "ustar\u000000";

/** What ends an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * block_bytes);

/**
 * A file as it stands in an archive, for its owner alone.
 *
 * @param file name of at most 100 ASCII characters
 * @param changedAt Unix seconds
 */
export function toTar({ name, body }: TarFile, changedAt: number): Buffer {
  const header = Buffer.alloc(block_bytes);
  const put = (field: Field, text: string) => header.write(text, fields[field][0], "latin1");
  put("name", name);
  for (const [field, value] of [
    ["mode", 0o600],
    ["uid", 0],
    ["gid", 0],
    ["size", body.length],
    ["mtime", Math.floor(changedAt)],
  ] as const)
    put(field, octal(value, fields[field][1] - 1));
  put("type", "0");
  put("magic", magic);
  put("checksum", checksumText(header));
  return Buffer.concat([header, body, zeros.subarray(0, paddingOf(body.length))]);
}

/**
 * The files of an archive that `toTar` made, one after the other.
 *
 * @param largest_bytes a file that claims to be larger is refused: each is held as a whole
 * @throws KnownError when the archive isn't whole, or isn't one
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  largest_bytes: number,
): AsyncGenerator<TarFile> {
  const input = new Input(chunks);
  for (;;) {
    const header = await input.take(block_bytes);
    if (header.equals(zeros)) break;
    const { name, size } = parseHeader(header);
    if (size > largest_bytes) throw archiveBroken({ why: `a file in it is too large: ${name}` });
    const body = await input.take(size);
    if (!isZero(await input.take(paddingOf(size))))
      throw archiveBroken({ why: `it was altered behind ${name}` });
    yield { name, body };
  }
  if (!isZero(await input.take(block_bytes)) || !(await input.isAtEnd()))
    throw archiveBroken({ why: "something stands behind its end" });
}

function parseHeader(header: Buffer): { name: string; size: number } {
  const get = (field: Field) => {
    const [start, length] = fields[field];
    return header.toString("latin1", start, start + length);
  };
  const isHeader =
    get("magic") === magic && get("type") === "0" && get("checksum") === checksumText(header);
  const name = /^([\w.-]+(?:\/[\w.-]+)?)\0+$/.exec(get("name"))?.[1];
  const size = /^[0-7]{11}\0$/.test(get("size")) ? Number.parseInt(get("size"), 8) : NaN;
  if (!isHeader || name === undefined || Number.isNaN(size))
    throw archiveBroken({ why: "where a file should begin, none does" });
  return { name, size };
}

/** The sum of a header's bytes, its own field taken as blanks, as it stands in that field. */
function checksumText(header: Buffer): string {
  const [start, length] = fields.checksum;
  const own = header.subarray(start, start + length);
  return `${octal(sum(header) - sum(own) + length * " ".charCodeAt(0), 6)}\0 `;
}

function sum(bytes: Buffer): number {
  return bytes.reduce((total, byte) => total + byte, 0);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function paddingOf(size: number): number {
  return (block_bytes - (size % block_bytes)) % block_bytes;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Takes chunks apart, whatever their sizes. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** @throws KnownError when there aren't as many bytes */
  async take(size: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let missing = size; missing > 0;) {
      if (await this.isAtEnd()) throw archiveBroken({ why: "its end is missing" });
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return true;
      this.#rest = next.value;
    }
    return false;
  }
}
