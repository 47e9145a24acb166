/** integer[], as PostgreSQL takes it in binary, which costs both sides less than text; what has no number is null. */
export const int4s = arrayOf(23, 4, (buffer, value, at) => buffer.writeInt32BE(value, at));

/** bigint[] */
export const int8s = arrayOf(20, 8, (buffer, value, at) => {
  buffer.writeInt32BE(Math.floor(value / 2 ** 32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
});

/** double precision[]; the negative zero becomes zero, as in text. */
export const float8s = arrayOf(701, 8, (buffer, value, at) => buffer.writeDoubleBE(value + 0, at));

const head_bytes = 20;

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
      at = buffer.writeInt32BE(value === null ? -1 : width_bytes, at);
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
