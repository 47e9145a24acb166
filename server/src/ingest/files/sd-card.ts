import { findSensorType, type SensorTypeName, type Stream } from "@ents-backend/schemas/sensor";
import { defineError } from "../../lib/errors.ts";
import { readLines, type Line } from "../../lib/lines.ts";
import type { NewReading } from "../../timeseries/write.ts";
import type { FileFormat, Part, ReadOrder } from "./format.ts";
import { toPercent } from "../vwc.ts";
import { Gathered } from "./gathered.ts";
import { finiteOrNull } from "./number.ts";
import { quote } from "./quote.ts";
import { longestLine, tap, type Fault } from "./row.ts";
import type { StoredFile } from "./source.ts";
import { isVwc } from "./vwc-unit.ts";

const header = /^unix_time \(s\),cell_id,logger_id,(\w{1,100})$/;
const row = /^(\d{1,10}),(\d{1,10}),(\d{1,10}),(\S{1,400})$/;
const decimal = /^-?\d+\.\d*$/;
/** What C prints of a double: nine decimals, as the node asks for. */
const wholeDecimal = /\.\d{9}$/;
const integer = /^\d{1,10}$/;
const noNumber = /^-?(?:nan|inf)$/i;
const bits32 = 2 ** 32;

/** These count up from zero: a large one is not a negative one. */
const counters: ReadonlySet<string> = new Set<SensorTypeName>([
  "D10_VOLUME_ELAPSED",
  "D10_TIME_ELAPSED",
]);

const unknownSensor = defineError(
  "invalid",
  "unknown_sensor_type",
  "{file} holds {name}, a sensor type that isn't known here: import it by a mapping that gives it a measurement and a unit",
);
const wrongHeader = defineError(
  "invalid",
  "wrong_header",
  "{file} is not of a node's SD card: its first line should be unix_time (s),cell_id,logger_id and a sensor type, and is {found}",
);

/** What a node keeps on its SD card: a file for each sensor type, a line for each reading. */
export const sdCard: FileFormat = {
  name: "sd-card",
  title: "SD card of a node",
  vwc: "as its device sends",
  printError: 0.5e-9,
  reads: "text",
  // Another sensor type is for a mapping, and keeps the other files of a card from nothing.
  recognises: ({ firstLine }) =>
    findSensorType(header.exec(firstLine.trim())?.[1] ?? "") !== undefined,
  read: readSdCard,
};

async function* readSdCard(file: StoredFile, order: ReadOrder): AsyncGenerator<Part> {
  let stream: Stream | undefined;
  let digits: Digits = "unknown";
  let bytes = 0;
  const counted = tap(file.read(order.signal), ({ length }) => (bytes += length));
  for await (const lines of readLines(counted, { longest: longestLine })) {
    const filled = lines.filter(({ text }) => text.trim() !== "");
    stream ??= filled[0] && streamOf(filled[0], file.name);
    // Each time that it is switched on the node writes the header again.
    const rows = filled.filter(({ text }) => !header.test(text.trim()));
    digits = digits === "unknown" ? findDigits(rows) : digits;
    if (stream) yield readRows(rows, { stream, digits }, order).toPart(bytes);
  }
}

function streamOf({ text }: Line, file: string): Stream {
  const name = header.exec(text.trim())?.[1];
  if (name === undefined) throw wrongHeader({ file, found: quote(text) });
  const type = findSensorType(name);
  if (!type) throw unknownSensor({ file, name });
  return type;
}

/** Whether numbers stand as the node wrote them; a spreadsheet takes zeros from their ends. */
type Digits = "unknown" | "as written" | "shortened";

interface Column {
  readonly stream: Stream;
  readonly digits: Digits;
}

function findDigits(rows: readonly Line[]): Digits {
  const first = rows.find(({ text, ended }) => ended && /,-?\d+\.\d*$/.test(text.trim()));
  if (!first) return "unknown";
  return wholeDecimal.test(first.text.trim()) ? "as written" : "shortened";
}

function readRows(rows: readonly Line[], column: Column, order: ReadOrder): Gathered {
  const { stream } = column;
  const gathered = new Gathered();
  for (const line of rows) {
    const read = readRow(line, column);
    gathered.add(line.number, "reason" in read ? read : [toReading(read, stream, order)]);
  }
  return gathered;
}

function toReading(
  { cellId, loggerId, value, ...read }: Read,
  stream: Stream,
  order: ReadOrder,
): NewReading {
  return {
    ...read,
    cellId: order.cellId ?? cellId,
    stream,
    value: toStored(value, stream, order),
    receivedAt: order.receivedAt,
    loggerId: order.loggerId ?? loggerId,
  };
}

function toStored(value: number | null, stream: Stream, { vwcUnit }: ReadOrder): number | null {
  return value !== null && isVwc(stream) ? toPercent(value, vwcUnit) : value;
}

type Read = Pick<NewReading, "cellId" | "dataType" | "ts" | "value"> & {
  readonly loggerId: number;
};

function readRow({ text, ended }: Line, { stream, digits }: Column): Read | Fault {
  if (text.length >= longestLine) return { reason: `longer than ${longestLine} characters` };
  const match = row.exec(text.trim());
  if (!match) return { reason: `${quote(text)} is not a time, cell, logger and value` };
  const [, ts, cellId, loggerId, value = ""] = match;
  // A number may have lost its last digits, and would still be a number.
  const isWhole = wholeDecimal.test(value) || noNumber.test(value);
  if (!isWhole && (!ended || digits === "as written"))
    return { reason: `${quote(text)} breaks off` };
  const read = readValue(value, counters.has(stream.name));
  if (!read) return { reason: `${quote(value)} is not a number that a node writes` };
  return { ...read, ts: Number(ts), cellId: Number(cellId), loggerId: Number(loggerId) };
}

/**
 * Nodes print whole numbers as unsigned ones of 32 bits: a negative one is 4294967296 minus its size.
 *
 * @returns undefined when it isn't what a node prints
 */
function readValue(
  text: string,
  isCounter: boolean,
): Pick<NewReading, "dataType" | "value"> | undefined {
  if (noNumber.test(text)) return { dataType: "float", value: null };
  if (decimal.test(text)) return { dataType: "float", value: finiteOrNull(Number(text)) };
  const unsigned = integer.test(text) ? Number(text) : bits32;
  if (unsigned >= bits32) return undefined;
  const isNegative = unsigned >= bits32 / 2 && !isCounter;
  return { dataType: "int", value: isNegative ? unsigned - bits32 : unsigned };
}
