import type { Mapping } from "@ents-backend/schemas/import";
import type { Stream } from "@ents-backend/schemas/sensor";
import { defineError } from "../../lib/errors.ts";
import type { NewReading } from "../../timeseries/write.ts";
import { toPercent } from "../vwc.ts";
import { detectEncoding, toUtf8 } from "./encoding.ts";
import { cellNeeded, type FileFormat, type Part, type ReadOrder } from "./format.ts";
import { Gathered } from "./gathered.ts";
import { findStream } from "./mapping.ts";
import { finiteOrNull, parseValue } from "./number.ts";
import { quote } from "./quote.ts";
import { readTable, type TablePart, type TableRow } from "./records.ts";
import { tap, type Fault } from "./row.ts";
import type { StoredFile } from "./source.ts";
import { compileTimeFormat, type TimeFormat } from "./time-format.ts";
import { isVwc } from "./vwc-unit.ts";

type Column = Mapping["values"][number]["column"];

const mappingNeeded = defineError(
  "invalid",
  "mapping_needed",
  "{file} needs a mapping, which says what its columns hold (--map on the command line, the field mapping of an upload)",
);
const noColumn = defineError(
  "invalid",
  "no_such_column",
  "{file} has no column {column}; it has {found}",
);
const sameColumns = defineError(
  "invalid",
  "ambiguous_column",
  "{file} has more than one column {column}: the mapping can give columns by their numbers, from 1",
);

/** Any table of measurements, as a mapping explains it. */
export const mappedCsv: FileFormat = {
  name: "mapped",
  title: "table with a mapping",
  vwc: "as its values show",
  printError: 0,
  reads: "bytes",
  recognises: () => false,
  read: readMapped,
};

async function* readMapped(file: StoredFile, order: ReadOrder): AsyncGenerator<Part> {
  const { mapping } = order;
  if (!mapping) throw mappingNeeded({ file: file.name });
  const head = await file.slice(0, Math.min(65_536, file.size));
  const encoding = mapping.encoding ?? detectEncoding(head);
  const text = new TextDecoder(encoding).decode(head);
  let bytes = 0;
  const counted = tap(file.read(order.signal), ({ length }) => (bytes += length));
  const delimiter = mapping.delimiter ?? guessDelimiter(text, mapping.skip_lines ?? 0);
  const table = readTable(toUtf8(counted, encoding), delimiter);
  const reader = new RowReader(file.name, mapping, order);
  for await (const part of table) yield reader.read(part, bytes);
}

/** The character that the header has most of. */
function guessDelimiter(text: string, skipped: number): string {
  const lines = text.split(/\r?\n/).slice(skipped);
  const header = lines.find((line) => line.trim() !== "") ?? "";
  const counts = [",", ";", "\t", "|"].map((mark) => [mark, header.split(mark).length] as const);
  return counts.reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}

/** Where a table has what. */
interface Columns {
  readonly time: readonly number[];
  readonly values: readonly ValueColumn[];
  readonly cell: number | undefined;
  readonly logger: number | undefined;
  readonly ignored: readonly string[];
  /** How many there are, where there is a header. */
  readonly count: number;
}

interface ValueColumn {
  readonly at: number;
  readonly title: string;
  readonly stream: Stream;
  readonly cellId: number | undefined;
  readonly toStored: (value: number) => number | null;
}

/** Reads the rows of one file, the first of which may say what the columns are. */
class RowReader {
  readonly #file: string;
  readonly #mapping: Mapping;
  readonly #order: ReadOrder;
  readonly #parseTime: TimeFormat;
  readonly #missing: ReadonlySet<string>;
  #columns: Columns | undefined;
  #toSkip: number;

  constructor(file: string, mapping: Mapping, order: ReadOrder) {
    this.#file = file;
    this.#mapping = mapping;
    this.#order = order;
    this.#parseTime = compileTimeFormat(mapping.time.format, mapping.time.zone);
    this.#missing = new Set([...missing, ...(mapping.missing ?? [])]);
    this.#toSkip = mapping.skip_after_header ?? 0;
  }

  read({ rows, badRows }: TablePart, bytes: number): Part {
    const skipped = this.#mapping.skip_lines ?? 0;
    const gathered = new Gathered();
    for (const { line, reason } of badRows) if (line > skipped) gathered.add(line, { reason });
    for (const row of rows)
      if (row.line > skipped && !this.#isHeader(row))
        gathered.add(row.line, this.#readRow(row.fields));
    return gathered.toPart(bytes, this.#columns?.ignored);
  }

  #isHeader({ fields }: TableRow): boolean {
    if (this.#columns) return this.#toSkip > 0 && this.#toSkip-- > 0;
    const hasHeader = this.#mapping.header ?? true;
    this.#columns = findColumns(
      this.#file,
      this.#mapping,
      this.#order.vwcUnit,
      hasHeader ? fields : undefined,
    );
    return hasHeader;
  }

  #readRow(fields: readonly string[]): NewReading[] | Fault {
    const columns = this.#columns!;
    // As of numbers with commas in a table with commas: what stands behind one is shifted.
    if (fields.slice(columns.count).some((field) => field.trim() !== ""))
      return { reason: `${fields.length} fields, and the header has ${columns.count}` };
    const time = columns.time.map((at) => fields[at]?.trim() ?? "").join(" ");
    const ts = this.#parseTime(time);
    if (ts === undefined) return { reason: `${quote(time)} is not a time as the mapping says` };
    const place = this.#readPlace(fields, columns);
    if ("reason" in place) return place;
    const readings: NewReading[] = [];
    for (const column of columns.values) {
      const value = this.#readValue(fields[column.at]?.trim() ?? "", column);
      if (typeof value === "object" && value !== null) return value;
      if (value === undefined) continue;
      const cellId = this.#order.cellId ?? column.cellId ?? place.cellId;
      if (cellId === undefined) throw cellNeeded({ file: this.#file });
      const { receivedAt } = this.#order;
      const where = { cellId, loggerId: place.loggerId, stream: column.stream };
      readings.push({ ...where, dataType: "float", ts, value, receivedAt });
    }
    return readings;
  }

  /** @returns undefined where there is no reading, null for one without a value */
  #readValue(text: string, { title, toStored }: ValueColumn): number | null | undefined | Fault {
    if (this.#missing.has(text)) return undefined;
    const { decimal = "." } = this.#mapping;
    const value = parseValue(decimal === "," ? swapDecimal(text) : text);
    if (value === undefined) return { reason: `${title}: ${quote(text)} is not a number` };
    return value === null ? null : toStored(value);
  }

  #readPlace(
    fields: readonly string[],
    { cell, logger }: Columns,
  ): { readonly cellId: number | undefined; readonly loggerId: number | null } | Fault {
    const { cell: mapped, logger: mappedLogger } = this.#mapping;
    const cellText = cell === undefined ? undefined : (fields[cell]?.trim() ?? "");
    const named = typeof mapped === "object" ? mapped.cells : undefined;
    const cellId = typeof mapped === "number" ? mapped : findCell(cellText, named);
    if (this.#order.cellId === undefined && cellText !== undefined && cellId === undefined)
      return { reason: `${quote(cellText)} is not a cell that the mapping knows` };
    const loggerText = logger === undefined ? "" : (fields[logger]?.trim() ?? "");
    const fixed = typeof mappedLogger === "number" ? mappedLogger : undefined;
    const loggerId = this.#order.loggerId ?? fixed ?? parseId(loggerText) ?? null;
    return { cellId, loggerId };
  }
}

/** What people and programs write where there is no reading. */
const missing = ["", "NA", "N/A", "#N/A", "NULL", "null", "None", "-", "--"];

function swapDecimal(text: string): string {
  return text.includes(".") ? "" : text.replace(",", ".");
}

function findCell(
  text: string | undefined,
  named: Readonly<Record<string, number>> | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  if (named && Object.hasOwn(named, text)) return named[text];
  return parseId(text);
}

function parseId(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : undefined;
}

function findColumns(
  file: string,
  { time, values, cell, logger }: Mapping,
  vwcUnit: ReadOrder["vwcUnit"],
  header: readonly string[] | undefined,
): Columns {
  const names = header?.map((name) => name.trim()) ?? [];
  const place = (column: Column) => findColumn(file, column, names);
  const found = {
    time: (time.columns ?? [time.column!]).map(place),
    values: values.map((value) => ({ ...toColumn(value, vwcUnit), at: place(value.column) })),
    cell: typeof cell === "object" ? place(cell.column) : undefined,
    logger: typeof logger === "object" ? place(logger.column) : undefined,
  };
  const used = new Set([
    ...found.time,
    ...found.values.map(({ at }) => at),
    found.cell,
    found.logger,
  ]);
  const ignored = names.filter((name, at) => name !== "" && !used.has(at));
  return { ...found, ignored, count: header?.length ?? Infinity };
}

function findColumn(file: string, column: Column, names: readonly string[]): number {
  if (typeof column === "number") return column - 1;
  const at = names.indexOf(column.trim());
  if (names.includes(column.trim(), at + 1)) throw sameColumns({ file, column: quote(column) });
  if (at < 0) throw noColumn({ file, column: quote(column), found: quote(names.join(", ")) });
  return at;
}

function toColumn(
  { column, sensor, factor, offset = 0, cell }: Mapping["values"][number],
  vwcUnit: ReadOrder["vwcUnit"],
): Omit<ValueColumn, "at"> {
  const stream = findStream(sensor);
  // Who gives VWC a factor has said what it stands in.
  const inPercent = isVwc(stream) && factor === undefined;
  const scale = (value: number) => (inPercent ? toPercent(value, vwcUnit) : value * (factor ?? 1));
  const toStored = (value: number) => {
    const scaled = scale(value);
    return scaled === null ? null : finiteOrNull(scaled + offset);
  };
  return { title: String(column), stream, cellId: cell, toStored };
}
