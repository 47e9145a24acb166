import type { DecodedArray, Encoding, SchemaElement } from "hyparquet";
import type { Rows } from "../timeseries/rows.ts";
import type { ExportSensor } from "./request.ts";

/** A column of a Parquet file: what it is, and how it is read from rows. */
interface ParquetColumn {
  readonly element: SchemaElement;
  readonly encoding?: Encoding;
  readonly read: (rows: Rows, sensors: readonly ExportSensor[]) => DecodedArray;
}

type Kind = Omit<SchemaElement, "name">;

const instant = {
  type: "INT64",
  converted_type: "TIMESTAMP_MICROS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
  repetition_type: "REQUIRED",
} as const satisfies Kind;
const text = {
  type: "BYTE_ARRAY",
  converted_type: "UTF8",
  logical_type: { type: "STRING" },
  repetition_type: "REQUIRED",
} as const satisfies Kind;
const cellNumber = { type: "INT32", repetition_type: "REQUIRED" } as const satisfies Kind;
const loggerNumber = { type: "INT64", repetition_type: "OPTIONAL" } as const satisfies Kind;
const value = { type: "DOUBLE", repetition_type: "OPTIONAL" } as const satisfies Kind;

interface Content extends Omit<ParquetColumn, "element"> {
  readonly kind: Kind;
}

const contents: Readonly<Record<string, Content>> = {
  timestamp: { kind: instant, encoding: "DELTA_BINARY_PACKED", read: ({ at }) => at },
  cell_id: { kind: cellNumber, read: ofSensor(({ cell }) => cell.id) },
  cell: { kind: text, read: ofSensor(({ cell }) => cell.name) },
  sensor: { kind: text, read: ofSensor(({ name }) => name) },
  measurement: { kind: text, read: ofSensor(({ measurement }) => measurement) },
  value: { kind: value, read: (rows) => withNulls(rows.value) },
  unit: { kind: text, read: ofSensor(({ unit }) => unit) },
  received_at: {
    kind: instant,
    encoding: "DELTA_BINARY_PACKED",
    read: ({ origin }) => origin!.receivedAt,
  },
  logger_id: { kind: loggerNumber, read: ({ origin }) => toOptionalIntegers(origin!.loggerId) },
};

/** The column of this name, of those that the tidy CSV has. */
export function columnOf(name: string): ParquetColumn {
  const { kind, ...content } = contents[name]!;
  return { element: { name, ...kind }, ...content };
}

function ofSensor(pick: (sensor: ExportSensor) => string | number): ParquetColumn["read"] {
  return ({ length, sensor }, sensors) => {
    const values = sensors.map(pick);
    const column: (string | number)[] = [];
    for (let row = 0; row < length; row++) column.push(values[sensor[row]!]!);
    return column;
  };
}

/** Numbers as they are where none is missing: each by itself takes three times the memory. */
function withNulls(numbers: Float64Array): DecodedArray {
  if (!numbers.some(Number.isNaN)) return numbers;
  const column: (number | null)[] = [];
  for (const number of numbers) column.push(Number.isNaN(number) ? null : number);
  return column;
}

/** Numbers of loggers, of which there are few. */
function toOptionalIntegers(numbers: Float64Array): (bigint | null)[] {
  const known = new Map<number, bigint | null>([[NaN, null]]);
  const column: (bigint | null)[] = [];
  for (const number of numbers) {
    let integer = known.get(number);
    if (integer === undefined) known.set(number, (integer = BigInt(number)));
    column.push(integer);
  }
  return column;
}
