import { descriptionKey, originColumns, tidyColumns } from "@ents-backend/schemas/export-columns";
import {
  parquetMetadataAsync,
  parquetReadObjects,
  snappyUncompress,
  type AsyncBuffer,
  type FileMetaData,
} from "hyparquet";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { defineError, KnownError } from "../../lib/errors.ts";
import type { NewReading } from "../../timeseries/write.ts";
import { meansOnly } from "./export-csv.ts";
import { toReading } from "./exported-reading.ts";
import type { FileFormat, Part, ReadOrder } from "./format.ts";
import { Gathered } from "./gathered.ts";
import { finiteOrNull } from "./number.ts";
import type { Fault } from "./row.ts";
import type { StoredFile } from "./source.ts";

const columns = [...tidyColumns, ...originColumns];

/** What is held at once: a group of rows, and the description of all of them. */
const mostRowsInGroup = 1_000_000;
const most_bytes = 256e6;

const brokenParquet = defineError(
  "invalid",
  "broken_parquet",
  "{file} can't be read as Parquet: {why}",
);
const foreignParquet = defineError(
  "invalid",
  "foreign_parquet",
  "{file} is not an export of this backend: it should have the columns {expected}; other tables can be imported as CSV, with a mapping",
);
const tooWide = defineError(
  "too_large",
  "parquet_too_large",
  "{file} has groups of rows that are too large to be read: export it again",
);

/** Parquet as it is exported here: a row for each reading. */
export const parquet: FileFormat = {
  name: "parquet",
  title: "Parquet export",
  vwc: "percent",
  printError: 0,
  reads: "bytes",
  recognises: ({ bytes }) => Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "PAR1",
  read: readParquet,
};

async function* readParquet(file: StoredFile, order: ReadOrder): AsyncGenerator<Part> {
  try {
    const buffer = toBuffer(file);
    const metadata = await readMetadata(file, buffer);
    const dataTypes = findDataTypes(metadata);
    let start = 0;
    for (const { num_rows } of metadata.row_groups) {
      order.signal.throwIfAborted();
      const end = start + Number(num_rows);
      const range = { rowStart: start, rowEnd: end, columns };
      const rows = await parquetReadObjects({ ...options, file: buffer, metadata, ...range });
      const bytes = Math.round((file.size * end) / Number(metadata.num_rows));
      yield* inParts(rows, start, (row) => readRow(row, order, dataTypes), bytes);
      start = end;
    }
  } catch (error) {
    order.signal.throwIfAborted();
    if (error instanceof KnownError || !(error instanceof Error)) throw error;
    throw brokenParquet({ file: file.name, why: error.message });
  }
}

/** Instants as Unix seconds: dates would lose their microseconds. A page says how long it gets, and may lie. */
const options = {
  parsers: { timestampFromMicroseconds: (micros: bigint) => Number(micros) / 1e6 },
  compressors: {
    SNAPPY(input: Uint8Array, length: number): Uint8Array {
      if (length > most_bytes) throw new Error("a page is too large");
      const output = new Uint8Array(length);
      snappyUncompress(input, output);
      return output;
    },
  },
};

function toBuffer({ size, slice }: StoredFile): AsyncBuffer {
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (end - start > most_bytes) throw new Error("a part of it is too large");
      const { buffer, byteOffset, byteLength } = await slice(start, end);
      const copy = new Uint8Array(byteLength);
      copy.set(new Uint8Array(buffer, byteOffset, byteLength));
      return copy.buffer;
    },
  };
}

async function readMetadata(file: StoredFile, buffer: AsyncBuffer): Promise<FileMetaData> {
  const metadata = await parquetMetadataAsync(buffer);
  const names = new Set(metadata.schema.map(({ name }) => name));
  if (tidyColumns.some((name) => !names.has(name)))
    throw foreignParquet({ file: file.name, expected: columns.join(", ") });
  if (originColumns.some((name) => !names.has(name))) throw meansOnly({ file: file.name });
  const isTooLarge = metadata.row_groups.some(
    ({ num_rows, total_byte_size }) =>
      num_rows > mostRowsInGroup || total_byte_size > BigInt(most_bytes),
  );
  if (isTooLarge) throw tooWide({ file: file.name });
  return metadata;
}

const Description = Type.Object({
  sensors: Type.Array(
    Type.Object({
      cell_id: Type.Integer(),
      sensor: Type.String(),
      measurement: Type.String(),
      data_type: Type.Union([Type.Literal("int"), Type.Literal("float")]),
    }),
  ),
});

type DataTypes = ReadonlyMap<string, NewReading["dataType"]>;

/** The file says of each sensor what numbers it has. */
function findDataTypes({ key_value_metadata: pairs }: FileMetaData): DataTypes {
  const text = pairs?.find(({ key }) => key === descriptionKey)?.value;
  const description: unknown = text === undefined ? undefined : JSON.parse(text);
  if (!Value.Check(Description, description)) return new Map();
  return new Map(
    description.sensors.map(({ cell_id, sensor, measurement, data_type }) => [
      keyOf(cell_id, sensor, measurement),
      data_type,
    ]),
  );
}

function keyOf(cellId: number, name: string, measurement: string): string {
  return `${cellId}\0${name}\0${measurement}`;
}

const rowsInPart = 5000;

function* inParts(
  rows: readonly Record<string, unknown>[],
  before: number,
  read: (row: Record<string, unknown>) => NewReading | Fault,
  bytes: number,
): Generator<Part> {
  for (let start = 0; start < rows.length; start += rowsInPart) {
    const gathered = new Gathered();
    for (const [at, row] of rows.slice(start, start + rowsInPart).entries()) {
      const reading = read(row);
      gathered.add(before + start + at + 1, "reason" in reading ? reading : [reading]);
    }
    yield gathered.toPart(bytes);
  }
}

function readRow(
  row: Readonly<Partial<Record<string, unknown>>>,
  order: ReadOrder,
  dataTypes: DataTypes,
): NewReading | Fault {
  const { timestamp, cell_id, sensor, measurement, value, unit, received_at, logger_id } = row;
  const read = {
    timestamp,
    cell_id,
    sensor,
    measurement,
    value: typeof value === "number" ? finiteOrNull(value) : (value ?? null),
    unit,
    received_at,
    logger_id: typeof logger_id === "bigint" ? Number(logger_id) : (logger_id ?? null),
  };
  return toReading(
    read,
    order,
    (of) => dataTypes.get(keyOf(of.cell_id, of.sensor, of.measurement)) ?? "float",
  );
}
