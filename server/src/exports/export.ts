import type { ExportFormat } from "@ents-backend/schemas/export";
import type { Db } from "../db/connect.ts";
import { readSnapshot } from "../db/transact.ts";
import type { Clock } from "../lib/clock.ts";
import { writePackage } from "./data-package.ts";
import { writeParquet } from "./parquet.ts";
import type { ExportQuery } from "./request.ts";
import { openTable, type Table } from "./table.ts";
import { writeTidy } from "./tidy.ts";
import { writeWide } from "./wide.ts";
import type { ExportWork } from "./work.ts";

export interface ExportDeps {
  /** One connection of it is taken as long as the export is written. */
  readonly db: Db;
  readonly clock: Clock;
}

type Write = (table: Table, work: ExportWork) => AsyncIterable<Uint8Array>;

const writers: Readonly<Record<ExportFormat, Write>> = {
  csv: writeWide,
  "csv-tidy": writeTidy,
  parquet: writeParquet,
  datapackage: writePackage,
};

/**
 * Writes an export, of one moment, in pieces of some tens of kilobytes as they are asked for, in memory that doesn't grow
 * with it. Nothing stays open once it is over, or given up.
 *
 * @throws the signal's reason, once it is aborted
 */
export async function* writeExport(
  { db, clock }: ExportDeps,
  query: ExportQuery,
  work: ExportWork,
): AsyncGenerator<Uint8Array> {
  yield* readSnapshot(db, async function* (snapshot) {
    const table = await openTable({ db: snapshot, clock }, query, work);
    yield* writers[query.params.format](table, work);
  });
}
