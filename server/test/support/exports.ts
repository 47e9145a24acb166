import { randomUUID } from "node:crypto";
import type { ExportParams } from "@ents-backend/schemas/export";
import { sensorType, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { parse } from "csv-parse/sync";
import type { Db } from "../../src/db/connect.ts";
import { writeExport } from "../../src/exports/export.ts";
import { prepareExport } from "../../src/exports/request.ts";
import type { ExportWork } from "../../src/exports/work.ts";
import { createCell } from "../../src/store/cells.ts";
import { everything } from "../../src/store/visibility.ts";
import { writeReadings } from "./write-readings.ts";
import { useDatabase } from "./database.ts";

/** When exports are made, Unix seconds, and readings begin. */
export const start = Date.parse("2026-01-02T03:00:00Z") / 1000;
export const clock = (): number => start;

/** When readings arrived, Unix seconds. */
const arrival = start + 0.123456;

export const temperature = sensorType("BME280_TEMP");

/** A stream whose names are all that CSV and spreadsheets find hard. */
export const odd: Stream = { name: "-odd", measurement: 'a "b", c', unit: "=µ" };

/** Nobody asks how far it is, and nobody ends it. */
export const idle: ExportWork = {
  signal: new AbortController().signal,
  report: () => undefined,
};

export type Row = Record<string, string>;
type Readings = readonly (readonly [ts: number, value: number | null])[];

/** Exports from a database that the test file that calls it has to itself. */
export interface Exports {
  readonly db: Db;
  readonly url: string;
  newCell(name?: string): Promise<number>;
  store(cellId: number, stream: Stream, readings: Readings, from?: From): Promise<void>;
  write(params: ExportParams): Promise<Buffer>;
  /** CSV, wide where nothing else is asked for. */
  text(cells: number[], params?: Partial<ExportParams>): Promise<string>;
  /** The same as rows. */
  table(cells: number[], params?: Partial<ExportParams>): Promise<Row[]>;
}

interface From {
  readonly loggerId?: number | null;
  readonly dataType?: DataType;
}

export function useExports(): Exports {
  const database = useDatabase();
  const exports: Exports = {
    get db() {
      return database.db;
    },
    get url() {
      return database.url;
    },
    newCell: async (name = `cell ${randomUUID()}`) => {
      const cell = { name, latitude: 36.99, uploadPolicy: "open" } as const;
      return (await createCell(database.db, cell)).id;
    },
    store: async (
      cellId,
      stream,
      readings,
      { loggerId = 2 ** 32 - 1, dataType = "float" } = {},
    ) => {
      const { name, measurement, unit } = stream;
      const place = { cellId, stream: { name, measurement, unit }, dataType, loggerId };
      const rows = readings.map(([ts, value]) => ({ ...place, ts, value, receivedAt: arrival }));
      for (let at = 0; at < rows.length; at += 5000)
        await writeReadings(database.db, rows.slice(at, at + 5000));
    },
    write: async (params) => {
      const query = await prepareExport(database.db, everything, params);
      const pieces: Uint8Array[] = [];
      for await (const piece of writeExport({ db: database.db, clock }, query, idle))
        pieces.push(piece);
      return Buffer.concat(pieces);
    },
    text: async (cells, params = {}) =>
      (await exports.write({ cells, format: "csv", ...params })).toString(),
    table: async (cells, params) => parse(await exports.text(cells, params), { columns: true }),
  };
  return exports;
}

/** Readings with a step between them, in seconds, whose values no decimal writes. */
export function thirds(from: number, step_s: number, count: number): [ts: number, value: number][] {
  return Array.from({ length: count }, (_, at) => [from + at * step_s, at / 3]);
}
