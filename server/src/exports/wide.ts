import type { ExportParams } from "@ents-backend/schemas/export";
import { formatWideColumn } from "@ents-backend/schemas/export-columns";
import type { Rows } from "../timeseries/rows.ts";
import { encodeLines, numberField, textField, toLine } from "./csv.ts";
import { instantWriter } from "../lib/instant.ts";
import type { ExportSensor } from "./request.ts";
import type { Table } from "./table.ts";
import type { ExportWork } from "./work.ts";

/** CSV with a row for each instant and a column for each sensor; a field is empty where a sensor has no value then. */
export async function* writeWide(table: Table, work: ExportWork): AsyncGenerator<Uint8Array> {
  const { sensors } = table;
  const names = ["timestamp", ...sensors.map((sensor) => nameColumn(sensor, table.query.params))];
  yield* encodeLines([toLine(names.map(textField))], work);
  for await (const rows of table.rows({ origin: false }))
    yield* encodeLines(toLines(rows, sensors.length), work);
}

/** The name of a sensor's column. */
export function nameColumn(
  { cell, called, ...stream }: ExportSensor,
  { resample = "none" }: Pick<ExportParams, "resample">,
): string {
  const meanBy = resample === "none" ? undefined : resample;
  return formatWideColumn({ cell, stream, meanBy }, called);
}

function* toLines({ length, at, sensor, value }: Rows, count: number): Generator<string> {
  const writeInstant = instantWriter();
  const fields = Array.from({ length: count }, () => "");
  for (let row = 0; row < length;) {
    const instant = at[row]!;
    for (; at[row] === instant; row++) fields[sensor[row]!] = numberField(value[row]!);
    yield `${writeInstant(instant)},${fields.join(",")}\n`;
    fields.fill("");
  }
}
