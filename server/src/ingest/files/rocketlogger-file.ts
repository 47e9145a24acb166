import type { FileFormat, Part, ReadOrder } from "./format.ts";
import { cellNeeded } from "./format.ts";
import { splitFields } from "./fields.ts";
import { readParts } from "./rocketlogger-rows.ts";
import { isHeader, toReadings } from "./rocketlogger.ts";
import type { StoredFile } from "./source.ts";

/** Measurements of a RocketLogger and TEROS-12 probes. */
export const rocketLogger: FileFormat = {
  name: "rocketlogger",
  title: "RocketLogger and TEROS-12",
  vwc: "as its values show",
  printError: 0,
  reads: "text",
  recognises: ({ firstLine }) => isHeader(splitFields(firstLine) ?? []),
  read: readRocketLogger,
};

async function* readRocketLogger(file: StoredFile, order: ReadOrder): AsyncGenerator<Part> {
  const { cellId, loggerId = null, receivedAt, vwcUnit, signal } = order;
  if (cellId === undefined) throw cellNeeded({ file: file.name });
  const origin = { cellId, loggerId, receivedAt, vwcUnit };
  for await (const { rows, badRows, layout, bytes } of readParts(file.read(signal))) {
    const readings = rows.map(({ row }) => toReadings(row, origin));
    yield {
      readings: readings.flat(),
      lines: readings.flatMap((of, at) => of.map(() => rows[at]!.line)),
      rows: rows.length + badRows.length,
      badRows,
      ignored: layout.ignored,
      bytes,
    };
  }
}
