/** Number of dimensions, whether there are nulls, type; size and first index of the one dimension: four bytes each. */
const head_bytes = 20;
/** Stands for the size of an element that is null. */
const isNull = -1;

/** integer[], as PostgreSQL takes it in binary, which costs both sides less than text; what has no number is null. */
export const int4s = arrayOf(23, 4, (buffer, value, at) => buffer.writeInt32BE(value, at));

/** bigint[] */
export const int8s = arrayOf(20, 8, (buffer, value, at) => {
  buffer.writeInt32BE(Math.floor(value / 2 ** 32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
});

/** double precision[]; the negative zero becomes zero, as in text. */
export const float8s = arrayOf(701, 8, (buffer, value, at) => buffer.writeDoubleBE(value + 0, at));

/**
 * @param elementType its number in PostgreSQL's table pg_type. Source of the layout: PostgreSQL's array_recv
 */
function arrayOf(
  elementType: number,
  width_bytes: number,
  write: (buffer: Buffer, value: number, at: number) => void,
) {
  return <Item>(
    items: readonly Item[],
    numberOf: (item: Item) => number | null | undefined,
  ): Buffer => {
    const buffer = Buffer.allocUnsafe(head_bytes + items.length * (4 + width_bytes));
    let at = head_bytes;
    let hasNull = 0;
    for (const item of items) {
      const value = numberOf(item) ?? null;
      at = buffer.writeInt32BE(value === null ? isNull : width_bytes, at);
      if (value === null) hasNull = 1;
      else {
        write(buffer, value, at);
        at += width_bytes;
      }
    }
    const dimensions = 1;
    const firstIndex = 1;
    [dimensions, hasNull, elementType, items.length, firstIndex].forEach((field, nth) =>
      buffer.writeInt32BE(field, 4 * nth),
    );
    return buffer.subarray(0, at);
  };
}

/** Microseconds from 1970, where Unix time begins, to 2000, where PostgreSQL's does. */
const epoch_us = 946_684_800_000_000;

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
  let at = head_bytes;
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
