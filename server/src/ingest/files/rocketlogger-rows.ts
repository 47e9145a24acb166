import { defineError } from "../../lib/errors.ts";
import { readLines, type Line } from "../../lib/lines.ts";
import { splitFields } from "./fields.ts";
import { readHeader, readRow, type Layout, type Row } from "./rocketlogger.ts";
import { longestLine, tap, type BadRow, type Fault } from "./row.ts";

/** Some of a file's rows, in order. */
export interface RowPart {
  readonly layout: Layout;
  readonly rows: readonly { readonly line: number; readonly row: Row }[];
  readonly badRows: readonly BadRow[];
  /** How much of the file has been read up to here. */
  readonly bytes: number;
}

const emptyFile = defineError("invalid", "empty_file", "the file is empty");

/**
 * Reads a RocketLogger/TEROS file, as many rows at a time as come together: rows that can't be read are told apart from the others,
 * empty ones are left out.
 *
 * @throws KnownError when it is empty, or its first line isn't such a file's header
 */
export async function* readParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<RowPart> {
  let layout: Layout | undefined;
  let bytes = 0;
  const counted = tap(chunks, ({ length }) => (bytes += length));
  for await (const lines of readLines(counted, { longest: longestLine })) {
    const filled = lines.filter(({ text }) => /[^\s,]/.test(text));
    if (filled.length === 0) continue;
    layout ??= readHeader(fieldsOfHeader(filled.shift()!));
    yield { layout, ...readRows(layout, filled), bytes };
  }
  if (!layout) throw emptyFile();
}

function fieldsOfHeader({ text }: Line): string[] {
  return splitFields(text) ?? [text];
}

function readRows(layout: Layout, lines: readonly Line[]): Pick<RowPart, "rows" | "badRows"> {
  const rows: { line: number; row: Row }[] = [];
  const badRows: BadRow[] = [];
  for (const { number: line, text } of lines) {
    const row = readLine(layout, text);
    if ("reason" in row) badRows.push({ line, reason: row.reason });
    else rows.push({ line, row });
  }
  return { rows, badRows };
}

function readLine(layout: Layout, text: string): Row | Fault {
  if (text.length >= longestLine) return { reason: `longer than ${longestLine} characters` };
  const fields = splitFields(text);
  return fields ? readRow(layout, fields) : { reason: "a quotation mark where none can be" };
}
