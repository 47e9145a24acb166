import { guardFormula } from "../lib/formula.ts";
import { giveWay, type ExportWork } from "./work.ts";

/** Characters that are written at once: half a millisecond's work, that uploads may have to wait for. */
const pieceLength = 64 * 1024;

/** A line of a CSV file, with its end. */
export function toLine(fields: readonly string[]): string {
  return `${fields.join(",")}\n`;
}

/** A text as a field: quoted where it has to be, and no formula in a spreadsheet. Source: RFC 4180. */
export function textField(text: string): string {
  const guarded = guardFormula(text);
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** A number as a field, in the shortest form that reads back as the same; NaN is missing, and empty. */
export function numberField(value: number): string {
  if (Number.isNaN(value)) return "";
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Lines as UTF-8, in pieces. */
export async function* encodeLines(
  lines: Iterable<string>,
  work: ExportWork,
): AsyncGenerator<Uint8Array> {
  let piece = "";
  for (const line of lines) {
    piece += line;
    if (piece.length < pieceLength) continue;
    yield Buffer.from(piece);
    piece = "";
    await giveWay(work);
  }
  if (piece !== "") yield Buffer.from(piece);
}
