import { originColumns, tidyColumns } from "@ents-backend/schemas/export-columns";
import type { Rows } from "../timeseries/rows.ts";
import { encodeLines, numberField, textField, toLine } from "./csv.ts";
import { instantWriter } from "../lib/instant.ts";
import type { ExportSensor } from "./request.ts";
import type { Table } from "./table.ts";
import type { ExportWork } from "./work.ts";

/**
 * CSV with a row for each reading, those without a value among them, or for each mean. Of readings nothing is left out
 * that is kept of them.
 */
export async function* writeTidy(table: Table, work: ExportWork): AsyncGenerator<Uint8Array> {
  const frames = table.sensors.map(frameOf);
  yield* encodeLines([toLine(columnsOf(table))], work);
  for await (const rows of table.rows({ origin: true }))
    yield* encodeLines(toLines(rows, frames), work);
}

/** The columns that a table has with a row for each reading, or each mean. */
export function columnsOf({ isRaw }: Table): readonly string[] {
  return isRaw ? [...tidyColumns, ...originColumns] : tidyColumns;
}

/** What stands before and behind the value in all rows of a sensor. */
type Frame = readonly [before: string, behind: string];

function frameOf({ cell, name, measurement, unit }: ExportSensor): Frame {
  const names = [cell.name, name, measurement].map(textField).join(",");
  return [`,${cell.id},${names},`, `,${textField(unit)}`];
}

function* toLines(rows: Rows, frames: readonly Frame[]): Generator<string> {
  const { length, at, sensor, value } = rows;
  const writeInstant = instantWriter();
  const writeOrigin = originWriter(rows);
  for (let row = 0; row < length; row++) {
    const [before, behind] = frames[sensor[row]!]!;
    const written = numberField(value[row]!);
    yield `${writeInstant(at[row]!)}${before}${written}${behind}${writeOrigin(row)}\n`;
  }
}

/** Makes what writes how the reading of a row came. */
function originWriter({ origin }: Rows): (row: number) => string {
  if (!origin) return () => "";
  const { receivedAt, loggerId } = origin;
  const writeInstant = instantWriter();
  return (row) => `,${writeInstant(receivedAt[row]!)},${numberField(loggerId[row]!)}`;
}
