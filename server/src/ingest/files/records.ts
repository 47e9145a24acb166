import { readLines, type Line } from "../../lib/lines.ts";
import { splitFields } from "./fields.ts";
import { longestLine, type BadRow } from "./row.ts";

/** A row of a table, and the line in which it ends. */
export interface TableRow {
  readonly line: number;
  readonly fields: readonly string[];
  /** Whether its line's end has been seen: a file that was torn off ends within a row. */
  readonly ended: boolean;
}

/** Some rows of a table, in order. */
export interface TablePart {
  readonly rows: readonly TableRow[];
  readonly badRows: readonly BadRow[];
}

/** A field that goes over more lines than this has lost its end. */
const mostLines = 20;

/**
 * Reads a table as spreadsheets write them: fields in quotation marks may hold the delimiter, and line ends. A
 * quotation mark that is never closed costs its own line and no other: parsers of the whole text lose all that follows.
 * Empty rows are left out.
 *
 * @param text UTF-8
 */
export async function* readTable(
  text: AsyncIterable<Uint8Array>,
  delimiter: string,
): AsyncGenerator<TablePart> {
  let waiting: Line[] = [];
  for await (const lines of readLines(text, { longest: longestLine })) {
    const { part, rest } = splitRows([...waiting, ...lines], delimiter);
    waiting = rest;
    yield part;
  }
  // With no end in sight, the first line stands alone, and those that follow have another chance.
  while (waiting.length > 0) {
    const [first, ...others] = waiting;
    const { part, rest } = splitRows(others, delimiter);
    yield { rows: part.rows, badRows: [unclosed(first!), ...part.badRows] };
    waiting = rest;
  }
}

function splitRows(
  lines: readonly Line[],
  delimiter: string,
): { readonly part: TablePart; readonly rest: Line[] } {
  const [rows, badRows]: [TableRow[], BadRow[]] = [[], []];
  for (let at = 0; at < lines.length;) {
    const count = isOpen(lines[at]!.text) ? countLines(lines, at) : 1;
    if (count === undefined) return { part: { rows, badRows }, rest: lines.slice(at) };
    const row = readRow(lines.slice(at, at + (count || 1)), delimiter);
    if (count === 0) badRows.push(unclosed(lines[at]!));
    else if ("reason" in row) badRows.push(row);
    else if (row.fields.some((field) => field.trim() !== "")) rows.push(row);
    at += count || 1;
  }
  return { part: { rows, badRows }, rest: [] };
}

/** How many lines a row takes that goes on after its first one: 0 when it has no end, undefined when that isn't here yet. */
function countLines(lines: readonly Line[], start: number): number | undefined {
  for (let at = start + 1; at < start + mostLines; at += 1) {
    const line = lines[at];
    if (!line) return undefined;
    if (isOpen(line.text)) return at - start + 1;
  }
  return 0;
}

/** Whether a line has a quotation mark without its other half. */
function isOpen(text: string): boolean {
  if (!text.includes('"')) return false;
  return text.split('"').length % 2 === 0;
}

function readRow(lines: readonly Line[], delimiter: string): TableRow | BadRow {
  const { number: line, ended } = lines.at(-1)!;
  if (lines.some(({ text }) => text.length >= longestLine))
    return { line, reason: `longer than ${longestLine} characters` };
  const fields = splitFields(lines.map(({ text }) => text).join("\n"), delimiter);
  return fields ? { line, fields, ended } : { line, reason: "a quotation mark where none can be" };
}

function unclosed({ number }: Line): BadRow {
  return { line: number, reason: "a quotation mark that is never closed" };
}
