/** A reading as it comes from the old database. */
export interface OldReading {
  /** Which of the series that were asked for. */
  readonly nth: number;
  /** Unix seconds. */
  readonly ts: number;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
  /** In our unit; null where there is no number. */
  readonly value: number | null;
}

const signature_bytes = 11;
const fields = 5;
/** Seconds from 1970 to 2000, which PostgreSQL counts from. */
const epoch_s = 946_684_800;

/**
 * Decodes what COPY sends of readings: columns nth int4, at timestamptz, received_at timestamptz, logger_id int8 or
 * null, value float8, in this order. Source: PostgreSQL's documentation of COPY, "Binary Format".
 *
 * @param chunks cut anywhere
 * @returns readings, some thousands at a time
 * @throws Error for anything else
 */
export async function* decodeReadings(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<readonly OldReading[]> {
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of chunks) {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (!begun) {
      const start = endOfHeader(data);
      if (start === undefined) {
        rest = data;
        continue;
      }
      data = data.subarray(start);
      begun = true;
    }
    const decoder = new TupleDecoder(data);
    const readings = decoder.takeAll();
    rest = data.subarray(decoder.position);
    if (readings.length > 0) yield readings;
    if (decoder.ended) return;
  }
  throw new Error("COPY ended in the middle of a row");
}

/** Undefined: it isn't all there yet. */
function endOfHeader(data: Buffer): number | undefined {
  const extension = signature_bytes + 4;
  if (data.length < extension + 4) return undefined;
  if (data.toString("latin1", 0, 6) !== "PGCOPY") throw new Error("this is no binary COPY");
  const end = extension + 4 + data.readInt32BE(extension);
  return data.length < end ? undefined : end;
}

class TupleDecoder {
  readonly #data: Buffer;
  #at = 0;
  /** Before the first row that isn't all there. */
  position = 0;
  ended = false;

  constructor(data: Buffer) {
    this.#data = data;
  }

  takeAll(): OldReading[] {
    const readings: OldReading[] = [];
    while (!this.ended && this.#isWhole()) {
      if (this.ended) break;
      readings.push(this.#take());
      this.position = this.#at;
    }
    return readings;
  }

  /** Whether the next row is all there; notices the end. */
  #isWhole(): boolean {
    const data = this.#data;
    let at = this.position;
    if (data.length < at + 2) return false;
    const count = data.readInt16BE(at);
    if (count === -1) this.ended = true;
    else if (count !== fields) throw new Error(`a row of ${count} columns`);
    at += 2;
    for (let nth = 0; nth < count; nth++) {
      if (data.length < at + 4) return false;
      at += 4 + Math.max(0, data.readInt32BE(at));
    }
    return data.length >= at;
  }

  #take(): OldReading {
    this.#at = this.position + 2;
    const nth = this.#data.readInt32BE(this.#given(4));
    const ts = this.#instant();
    const receivedAt = this.#instant();
    const logger = this.#field(8);
    const loggerId = logger === undefined ? null : Number(this.#data.readBigInt64BE(logger));
    const value = this.#data.readDoubleBE(this.#given(8));
    return { nth, ts, receivedAt, loggerId, value: Number.isFinite(value) ? value : null };
  }

  /** Where the next field's bytes begin; undefined for null. */
  #field(bytes: number): number | undefined {
    const length = this.#data.readInt32BE(this.#at);
    const start = this.#at + 4;
    this.#at = start + Math.max(0, length);
    if (length === -1) return undefined;
    if (length !== bytes) throw new Error(`a field of ${length} bytes`);
    return start;
  }

  #given(bytes: number): number {
    const start = this.#field(bytes);
    if (start === undefined) throw new Error("a field is null");
    return start;
  }

  #instant(): number {
    const start = this.#given(8);
    const microseconds =
      this.#data.readInt32BE(start) * 2 ** 32 + this.#data.readUInt32BE(start + 4);
    return epoch_s + microseconds / 1e6;
  }
}
