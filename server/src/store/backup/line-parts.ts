const newline = "\n".charCodeAt(0);

/**
 * Cuts rows, however they come, into parts of whole lines: COPY's text format has line breaks nowhere else. Who asks for
 * the part after the next one is to be done with this one: its memory is used again.
 *
 * @param size_bytes about how large a part is; one that is a single line may be larger
 */
export async function* toLineParts(
  chunks: AsyncIterable<Buffer>,
  size_bytes: number,
): AsyncGenerator<Buffer> {
  let [part, next] = [new Part(size_bytes), new Part(size_bytes)];
  for await (const chunk of chunks) {
    part.add(chunk);
    const end = part.length < size_bytes ? 0 : part.bytes.lastIndexOf(newline) + 1;
    if (end === 0) continue;
    yield part.bytes.subarray(0, end);
    next.length = 0;
    next.add(part.bytes.subarray(end));
    [part, next] = [next, part];
  }
  if (part.length > 0) yield part.bytes;
}

/** How much longer than a part a chunk makes it, mostly. */
const spare_bytes = 64 * 1024;

/** Memory that is filled again and again: left to the collector, much of it would lie about. */
class Part {
  #memory: Buffer;
  length = 0;

  constructor(size_bytes: number) {
    this.#memory = Buffer.allocUnsafeSlow(size_bytes + spare_bytes);
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.length);
  }

  add(chunk: Buffer): void {
    const length = this.length + chunk.length;
    if (length > this.#memory.length) this.#memory = Buffer.concat([this.bytes], 2 * length);
    chunk.copy(this.#memory, this.length);
    this.length = length;
  }
}
