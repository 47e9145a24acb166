import { formatWideColumn } from "@ents-backend/schemas/export-columns";
import type { Rows } from "../timeseries/rows.ts";
import { encodeLines, numberField, textField, toLine } from "./csv.ts";
import { instantWriter } from "./instant.ts";
import type { ExportSensor } from "./request.ts";
import type { Table } from "./table.ts";
import type { ExportWork } from "./work.ts";

/** CSV with a row for each instant and a column for each sensor; a field is empty where a sensor has no value then. */
export async function* writeWide(table: Table, work: ExportWork): AsyncGenerator<Uint8Array> {
  const { sensors } = table;
  const names = ["timestamp", ...nameColumns(sensors)];
  yield* encodeLines([toLine(names.map(textField))], work);
  for await (const rows of table.rows({ origin: false }))
    yield* encodeLines(toLines(rows, sensors.length), work);
}

/** The names of the sensors' columns, all different: sensors that would have the same are numbered. */
export function nameColumns(sensors: readonly ExportSensor[]): string[] {
  const taken = new Set<string>();
  return sensors.map((sensor) => {
    const usual = formatWideColumn(sensor);
    const name = taken.has(usual) ? `${usual} #${sensor.id}` : usual;
    taken.add(name);
    return name;
  });
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
