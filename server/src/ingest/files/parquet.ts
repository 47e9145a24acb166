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
import type { FileFormat, Part, ReadOrder } from "./format.ts";
import { Gathered } from "./gathered.ts";
import { finiteOrNull } from "./number.ts";
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
      yield* inParts(rows, start, (row) => toReading(row, order, dataTypes), bytes);
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

interface Row {
  readonly timestamp: number;
  readonly cell_id: number;
  readonly sensor: string;
  readonly measurement: string;
  readonly value?: number | null;
  readonly unit: string;
  readonly received_at: number;
  readonly logger_id?: bigint | null;
}

function isRow(row: Record<string, unknown>): row is Record<string, unknown> & Row {
  const { timestamp, cell_id, sensor, measurement, value, unit, received_at, logger_id } = row;
  return (
    [timestamp, cell_id, received_at].every(
      (number) => typeof number === "number" && number >= 0,
    ) &&
    [sensor, measurement].every((text) => typeof text === "string" && text !== "") &&
    typeof unit === "string" &&
    ["number", "undefined"].includes(typeof (value ?? undefined)) &&
    ["bigint", "undefined"].includes(typeof (logger_id ?? undefined))
  );
}

const rowsInPart = 5000;

function* inParts(
  rows: readonly Record<string, unknown>[],
  before: number,
  read: (row: Record<string, unknown>) => NewReading | undefined,
  bytes: number,
): Generator<Part> {
  for (let start = 0; start < rows.length; start += rowsInPart) {
    const gathered = new Gathered();
    for (const [at, row] of rows.slice(start, start + rowsInPart).entries()) {
      const reading = read(row);
      gathered.add(before + start + at + 1, reading ? [reading] : { reason: "it is no reading" });
    }
    yield gathered.toPart(bytes);
  }
}

function toReading(
  row: Record<string, unknown>,
  order: ReadOrder,
  dataTypes: DataTypes,
): NewReading | undefined {
  if (!isRow(row)) return undefined;
  const { timestamp: ts, cell_id, sensor: name, measurement, unit, received_at, logger_id } = row;
  return {
    cellId: order.cellId ?? cell_id,
    stream: { name, measurement, unit },
    dataType: dataTypes.get(keyOf(cell_id, name, measurement)) ?? "float",
    ts,
    value: finiteOrNull(row.value ?? NaN),
    receivedAt: received_at,
    loggerId: order.loggerId ?? (typeof logger_id === "bigint" ? Number(logger_id) : null),
  };
}
