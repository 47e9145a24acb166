import { descriptionKey } from "@ents-backend/schemas/export-columns";
import type { SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { joinRows, type Rows } from "../timeseries/rows.ts";
import { describeExport } from "./describe.ts";
import { columnOf } from "./parquet-columns.ts";
import type { Table } from "./table.ts";
import { columnsOf } from "./tidy.ts";
import { giveWay, type ExportWork } from "./work.ts";

/** Rows that are written together, at least: few enough to be held, and enough for readers to be quick. */
const rowsInGroup = 25_000;

/** Parquet with the rows and columns of the tidy CSV, and what it is of in its metadata. */
export async function* writeParquet(table: Table, work: ExportWork): AsyncGenerator<Uint8Array> {
  const columns = columnsOf(table).map(columnOf);
  const writer = new ByteWriter();
  const root: SchemaElement = { name: "root", num_children: columns.length };
  const file = new ParquetWriter({
    writer,
    schema: [root, ...columns.map(({ element }) => element)],
    kvMetadata: [{ key: descriptionKey, value: JSON.stringify(describeExport(table)) }],
    createdBy: "ents-backend",
  });
  for await (const rows of inGroups(table.rows({ origin: true }))) {
    const columnData = columns.map(({ element, encoding, read }) => ({
      name: element.name,
      // Made when it's written, so that one is held at a time.
      get data() {
        return read(rows, table.sensors);
      },
      ...(encoding && { encoding }),
      statistics: element.name === "timestamp",
    }));
    await file.write({ columnData, rowGroupSize: rows.length });
    yield take(writer);
    await giveWay(work);
  }
  await file.finish();
  yield take(writer);
}

async function* inGroups(parts: AsyncIterable<Rows>): AsyncGenerator<Rows> {
  let group: Rows[] = [];
  let length = 0;
  for await (const part of parts) {
    group.push(part);
    length += part.length;
    if (length < rowsInGroup) continue;
    yield joinRows(group);
    group = [];
    length = 0;
  }
  if (length > 0) yield joinRows(group);
}

/** Takes out what was written, so that no more than a group is ever held. */
function take(writer: ByteWriter): Uint8Array {
  const bytes = writer.getBytes().slice();
  writer.index = 0;
  return bytes;
}
