import {
  CellNumber,
  Label,
  LoggerNumber,
  nullable,
  Timestamp,
  Unit,
} from "@ents-backend/schemas/fields";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import type { NewReading } from "../../timeseries/write.ts";
import type { ReadOrder } from "./format.ts";
import { quote } from "./quote.ts";
import type { Fault } from "./row.ts";

/** What an export says of a reading, by its columns. */
const Exported = Type.Object({
  timestamp: Timestamp,
  cell_id: CellNumber,
  sensor: Label,
  measurement: Label,
  value: nullable(Type.Number()),
  unit: Unit,
  received_at: Timestamp,
  logger_id: nullable(LoggerNumber),
});
type Exported = Static<typeof Exported>;
type Column = keyof Exported;

const exported = Compile(Exported);

/** What stands in each column. */
const columns = [
  column("timestamp", "a time"),
  column("received_at", "a time"),
  column("value", "a number"),
  column("cell_id", "a cell's number"),
  column("logger_id", "a logger's number"),
  column("sensor", "a sensor's name"),
  column("measurement", "a measurement"),
  column("unit", "a unit"),
];

function column(name: Column, meaning: string) {
  return { name, meaning, validator: Compile(Exported.properties[name]) };
}

/**
 * Takes what a file says of a reading, if a reading can be so: names as uploads may have them, times from 1970 to the
 * end of the year 9999, numbers of cells and loggers that a device can send.
 *
 * @param row what couldn't be read stands in it as it stood in the file
 * @param dataTypeOf is asked of a row that is right
 */
export function toReading(
  row: Readonly<Record<Column, unknown>>,
  { cellId, loggerId }: ReadOrder,
  dataTypeOf: (row: Exported) => NewReading["dataType"],
): NewReading | Fault {
  if (!exported.Check(row)) return findFault(row);
  const { sensor: name, measurement, unit } = row;
  return {
    cellId: cellId ?? row.cell_id,
    stream: { name, measurement, unit },
    dataType: dataTypeOf(row),
    ts: row.timestamp,
    value: row.value,
    receivedAt: row.received_at,
    loggerId: loggerId ?? row.logger_id,
  };
}

function findFault(row: Readonly<Record<Column, unknown>>): Fault {
  const { name, meaning } = columns.find((each) => !each.validator.Check(row[each.name]))!;
  const found = row[name];
  const shown = found instanceof Object ? `what stands in ${name}` : quote(String(found));
  return { reason: `${shown} is not ${meaning}` };
}
