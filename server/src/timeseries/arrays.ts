/** Microseconds from 1970, where Unix time begins, to 2000, where PostgreSQL's does. */
const epoch_us = 946_684_800_000_000;

/** Number of dimensions, whether there are nulls, type; size and first index of the one dimension: four bytes each. */
const header_bytes = 20;

const isNull = -1;

/** How an element's eight bytes are read. */
const readers = {
  /** To microseconds since 1970; exact to the microsecond until 2255, and for whole seconds for ever. */
  timestamptz: (view: DataView, at: number) => readInteger(view, at) + epoch_us,
  float8: (view: DataView, at: number) => view.getFloat64(at),
  int8: readInteger,
} as const satisfies Readonly<Record<string, (view: DataView, at: number) => number>>;

/** What the elements of an array are, in PostgreSQL. */
export type ArrayKind = keyof typeof readers;

/**
 * Reads an array of one dimension in PostgreSQL's binary form, as `array_send` writes it; null becomes NaN.
 *
 * @param into has as many places as the array has elements
 *
 * Source: array_send, timestamptz_send, float8send and int8send of PostgreSQL.
 */
export function decodeArray(kind: ArrayKind, bytes: Uint8Array, into: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readers[kind];
  let at = header_bytes;
  for (let place = 0; place < into.length; place++) {
    const size_bytes = view.getInt32(at);
    at += 4;
    if (size_bytes === isNull) into[place] = NaN;
    else {
      into[place] = read(view, at);
      at += size_bytes;
    }
  }
}

function readInteger(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
