type Printable = string | number | boolean | Date | null;

/** Rows as text in columns that line up, under a header. */
export function formatTable<Key extends string>(
  rows: readonly Readonly<Record<Key, Printable>>[],
  columns: readonly Key[],
): string {
  const lines = [columns, ...rows.map((row) => columns.map((column) => formatValue(row[column])))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, at) => text.padEnd(widths[at]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function formatValue(value: Printable): string {
  if (value === null) return "-";
  return value instanceof Date ? value.toISOString() : String(value);
}
