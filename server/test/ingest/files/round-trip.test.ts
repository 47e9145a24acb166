import { powerStream, sensorType, type DataType } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import type { Db } from "../../../src/db/connect.ts";
import { transact } from "../../../src/db/transact.ts";
import { writeExport } from "../../../src/exports/export.ts";
import { prepareExport } from "../../../src/exports/request.ts";
import { runFileImport } from "../../../src/ingest/files/file-import.ts";
import { planImport } from "../../../src/ingest/files/plan.ts";
import { watchRoom } from "../../../src/lib/disk.ts";
import { createCell } from "../../../src/store/cells.ts";
import { everything } from "../../../src/store/visibility.ts";
import type { NewReading } from "../../../src/timeseries/write.ts";
import { writeReadings } from "../../support/write-readings.ts";
import { useDatabase } from "../../support/database.ts";
import { fileOf, readOrder } from "../../support/files.ts";

const [from, to] = [useDatabase(), useDatabase()];
const signal = new AbortController().signal;

const streams = [
  ...(["POWER_VOLTAGE", "POWER_CURRENT", "TEROS12_VWC_ADJ"] as const).map((name) =>
    sensorType(name),
  ),
  { name: "gauge", measurement: 'rain, "heavy"', unit: "mm" },
  { name: "=1+1", measurement: "-x", unit: "@" },
  { name: "probe", measurement: "temp (2) deep", unit: "%" },
  { name: "probe.temp", measurement: "[a] 100%2E", unit: "a [b]" },
  { name: "power", measurement: "v", unit: "V" },
] as const;

const reading = fc.record({
  stream: fc.constantFrom(...streams),
  second: fc.integer({ min: 0, max: 50 }),
  micros: fc.constantFrom(0, 0, 500_000, 123_456),
  value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  receivedAt: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_001_000 }),
  loggerId: fc.option(fc.constantFrom(1, 2, 4_000_000_000)),
});

describe("an export that is imported elsewhere", () => {
  it.each([
    ["csv-tidy", ["received", "logger"]],
    ["parquet", ["received", "logger", "data_type"]],
    ["datapackage", ["received", "logger"]],
    ["csv", []],
  ] as const)("is what it was: %s", async (format, kept) => {
    await fc.assert(
      fc.asyncProperty(fc.array(reading, { minLength: 1, maxLength: 60 }), async (drawn) => {
        const cellId = await fill(drawn);
        const bytes = await exportOf(cellId, format);
        const report = await importInto(to.db, bytes, format);
        const before = await readingsOf(from.db, cellId, kept);
        // A table with a column for each sensor has no room for readings without a value.
        const expected = format === "csv" ? before.filter(({ bits }) => bits !== null) : before;
        expect(await readingsOf(to.db, cellId, kept)).toEqual(expected);
        expect(report.bad_rows).toBe(0);
        expect((await importInto(to.db, bytes, format)).readings.new).toBe(0);
        expect((await importInto(from.db, bytes, format)).readings).toMatchObject({
          new: 0,
          conflicting: 0,
        });
      }),
      { numRuns: 8 },
    );
  });

  it("keeps a power of its own, also of one instant", async () => {
    const at = { micros: 0, second: 1, receivedAt: 1, loggerId: 1 };
    const [voltage, current] = [sensorType("POWER_VOLTAGE"), sensorType("POWER_CURRENT")];
    const cellId = await fill([
      { ...at, stream: voltage, value: 500 },
      { ...at, stream: current, value: 100 },
      { ...at, stream: powerStream, value: 63 },
    ]);
    const report = await importInto(to.db, await exportOf(cellId, "csv-tidy"), "csv-tidy");
    expect(report.readings).toMatchObject({ conflicting: 0 });
    expect(await readingsOf(to.db, cellId, [])).toEqual(await readingsOf(from.db, cellId, []));
  });

  it("is refused where it holds means", async () => {
    const cellId = await fill([
      { stream: streams[0], second: 1, micros: 0, value: 1, receivedAt: 1, loggerId: 1 },
    ]);
    for (const format of ["csv", "csv-tidy", "parquet"] as const)
      await expect(
        importInto(to.db, await exportOf(cellId, format, "hour"), format),
      ).rejects.toThrow(/holds means, not readings: export with resample=none/);
  });
});

type Drawn = Pick<NewReading, "stream" | "value" | "receivedAt" | "loggerId"> & {
  readonly second: number;
  readonly micros: number;
};

let cells = 0;

/** A cell of the same number on both sides, with readings on the first. */
async function fill(drawn: readonly Drawn[]): Promise<number> {
  const cell = { name: `=a "cell", ${++cells}`, uploadPolicy: "open" } as const;
  const { id } = await createCell(from.db, cell);
  await transact(to.db, async (transaction) => await createCell(transaction, { ...cell, id }));
  const readings: NewReading[] = drawn.map(({ second, micros, receivedAt, ...rest }) => ({
    ...rest,
    cellId: id,
    ts: 1_600_000_000 + second + micros / 1e6,
    receivedAt: receivedAt / 1000,
    dataType: dataTypeOf(rest.value),
  }));
  await writeReadings(from.db, readings);
  return id;
}

function dataTypeOf(value: number | null): DataType {
  return Number.isInteger(value) ? "int" : "float";
}

async function exportOf(
  cellId: number,
  format: "csv" | "csv-tidy" | "parquet" | "datapackage",
  resample: "none" | "hour" = "none",
): Promise<Buffer> {
  const query = await prepareExport(from.db, everything, { cells: [cellId], format, resample });
  const pieces: Uint8Array[] = [];
  const deps = { db: from.db, clock: () => 1_800_000_000 };
  for await (const piece of writeExport(deps, query, { signal, report: () => {} }))
    pieces.push(Uint8Array.from(piece));
  return Buffer.concat(pieces);
}

async function importInto(db: Db, bytes: Buffer, name: string) {
  const understanding = { format: undefined, mapping: undefined };
  const plan = await planImport([fileOf(name, bytes)], understanding, signal);
  const order = { ...readOrder, vwcUnit: undefined, plan, importer: everything };
  const means = { clock: () => readOrder.receivedAt, keepRoom: watchRoom(undefined) };
  return await runFileImport(db, { ...order, ...means, onProgress: () => {} });
}

/** Readings as they are stored, to the bit; POWER too, which the file has as well. */
async function readingsOf(db: Db, cellId: number, kept: readonly string[]) {
  const { rows } = await sql<{ bits: string | null }>`
    select name, measurement, unit, ts::text, encode(float8send(value), 'hex') as bits,
      ${kept.includes("received") ? sql`received_at::text` : sql`null`} as received,
      ${kept.includes("logger") ? sql`logger_id` : sql`null`} as logger,
      ${kept.includes("data_type") ? sql`data_type` : sql`null`} as data_type
    from reading join sensor on sensor.id = sensor_id
    where cell_id = ${cellId} order by name, measurement, ts`.execute(db);
  return rows;
}
