import {
  originColumns,
  parseWideColumn,
  tidyColumns,
  type WideColumn,
} from "@ents-backend/schemas/export-columns";
import { defineError } from "../../lib/errors.ts";
import { unguardFormula } from "../../lib/formula.ts";
import type { NewReading } from "../../timeseries/write.ts";
import { toReading } from "./exported-reading.ts";
import { splitFields } from "./fields.ts";
import type { FileFormat, Part, ReadOrder } from "./format.ts";
import { Gathered } from "./gathered.ts";
import { parseValue } from "./number.ts";
import { quote } from "./quote.ts";
import { readTable, type TablePart } from "./records.ts";
import { tap, type Fault } from "./row.ts";
import type { StoredFile } from "./source.ts";

const wrongHeader = defineError(
  "invalid",
  "wrong_header",
  "{file} is not an export of this backend: its first line is {found}",
);
export const meansOnly = defineError(
  "invalid",
  "means_are_no_readings",
  "{file} holds means, not readings: export with resample=none what is to be imported",
);

/** CSV as it is exported here: a row for each reading, or a column for each sensor. */
export const exportCsv: FileFormat = {
  name: "export",
  title: "CSV export",
  vwc: "percent",
  printError: 0,
  reads: "text",
  recognises: ({ firstLine }) => findReader(splitFields(firstLine) ?? []) !== undefined,
  read: readExport,
};

type RowReader = (fields: readonly string[], order: ReadOrder) => NewReading[] | Fault;

async function* readExport(file: StoredFile, order: ReadOrder): AsyncGenerator<Part> {
  let readRow: RowReader | undefined;
  let bytes = 0;
  const counted = tap(file.read(order.signal), ({ length }) => (bytes += length));
  for await (const { rows, badRows } of readTable(counted, ",")) {
    const [header] = rows;
    const isFirst = !readRow && header !== undefined;
    if (isFirst) readRow = getReader(header.fields, file.name);
    if (!readRow) continue;
    const part = { rows: isFirst ? rows.slice(1) : rows, badRows };
    yield readPart(part, order, readRow).toPart(bytes);
  }
}

function getReader(header: readonly string[], file: string): RowReader {
  const found = findReader(header);
  if (!found) throw wrongHeader({ file, found: quote(header.join(",")) });
  if (found === "means") throw meansOnly({ file });
  return found;
}

function findReader(header: readonly string[]): RowReader | "means" | undefined {
  const isTidy = tidyColumns.every((name, at) => header[at] === name);
  if (isTidy && header.length === tidyColumns.length) return "means";
  const width = tidyColumns.length + originColumns.length;
  if (isTidy && originColumns.every((name, at) => header[tidyColumns.length + at] === name))
    return header.length === width ? readTidyRow : undefined;
  return header[0] === "timestamp" ? findWideReader(header.slice(1)) : undefined;
}

function readPart({ rows, badRows }: TablePart, order: ReadOrder, readRow: RowReader): Gathered {
  const gathered = new Gathered();
  for (const { line, reason } of badRows) gathered.add(line, { reason });
  for (const { line, fields, ended } of rows)
    gathered.add(line, ended ? readRow(fields, order) : breaksOff(fields));
  return gathered;
}

function readTidyRow(fields: readonly string[], order: ReadOrder): NewReading[] | Fault {
  if (fields.length !== tidyColumns.length + originColumns.length) return wrongWidth(fields.length);
  const [at = "", cell = "", , ...texts] = fields;
  const [sensor = "", measurement = "", value = "", unit = "", received = "", logger = ""] = texts;
  const reading = toReading(
    {
      timestamp: parseInstant(at) ?? at,
      cell_id: parseId(cell) ?? cell,
      sensor: unguardFormula(sensor),
      measurement: unguardFormula(measurement),
      value: value === "" ? null : readValue(value),
      unit: unguardFormula(unit),
      received_at: parseInstant(received) ?? received,
      logger_id: logger === "" ? null : (parseId(logger) ?? logger),
    },
    order,
    dataTypeOf,
  );
  return "reason" in reading ? reading : [reading];
}

/** A number, or the text that is none. */
function readValue(text: string): number | null | string {
  const value = parseValue(text);
  return value === undefined ? text : value;
}

function findWideReader(names: readonly string[]): RowReader | "means" | undefined {
  const found = names.map((name) => parseWideColumn(unguardFormula(name)));
  if (found.length === 0 || !found.every((column) => column !== undefined)) return undefined;
  if (found.some(({ meanBy }) => meanBy !== undefined)) return "means";
  return (fields, order) => readWideRow(found, fields, order);
}

function readWideRow(
  columns: readonly WideColumn[],
  fields: readonly string[],
  order: ReadOrder,
): NewReading[] | Fault {
  if (fields.length !== columns.length + 1) return wrongWidth(fields.length);
  const timestamp = parseInstant(fields[0]!);
  if (timestamp === undefined) return { reason: `${quote(fields[0]!)} is not a time` };
  const common = { timestamp, received_at: order.receivedAt, logger_id: null };
  const readings: NewReading[] = [];
  for (const [at, { cell, stream }] of columns.entries()) {
    const text = fields[at + 1]!;
    if (text === "") continue;
    const { name: sensor, measurement, unit } = stream;
    const row = { ...common, cell_id: cell.id, sensor, measurement, unit, value: readValue(text) };
    const reading = toReading(row, order, dataTypeOf);
    if ("reason" in reading) return reading;
    readings.push(reading);
  }
  return readings;
}

/** A sensor of whole numbers stays one, and becomes another with its first other number. */
function dataTypeOf({ value }: { readonly value: number | null }): NewReading["dataType"] {
  return value === null || Number.isInteger(value) ? "int" : "float";
}

function wrongWidth(count: number): Fault {
  return { reason: `${count} fields, which is not what the header has` };
}

/** Every row that was exported has its line's end: without it the last number may have lost digits. */
function breaksOff(fields: readonly string[]): Fault {
  return { reason: `${quote(fields.join(","))} breaks off` };
}

const instant = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?Z$/;

/** Unix seconds of `2026-01-02T03:04:05.000Z`, to the microsecond. */
function parseInstant(text: string): number | undefined {
  const [, whole, fraction = ""] = instant.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const seconds = Date.parse(`${whole}Z`) / 1000;
  return seconds >= 0 ? seconds + Number(fraction) : undefined;
}

function parseId(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
