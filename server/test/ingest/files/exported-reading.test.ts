import { originColumns, tidyColumns } from "@ents-backend/schemas/export-columns";
import { Label } from "@ents-backend/schemas/fields";
import { parquetWriteBuffer } from "hyparquet-writer";
import * as fc from "fast-check";
import { Value } from "typebox/value";
import { describe, expect, it } from "vitest";
import { columnOf } from "../../../src/exports/parquet-columns.ts";
import { fileOf, readAll } from "../../support/files.ts";

const columns = [...tidyColumns, ...originColumns];

const right = {
  timestamp: 1_700_000_000_000_000n,
  cell_id: 7,
  cell: "Plot 7",
  sensor: "BME280_TEMP",
  measurement: "Temperature",
  value: 21.5,
  unit: "C",
  received_at: 1_700_000_001_000_000n,
  logger_id: 3n,
};
type Row = typeof right;

const year12000 = 316_516_204_800_000_000n;

describe("a reading of an export", () => {
  it("is what it was", async () => {
    for (const read of [readCsv, readParquet]) {
      const { readings, badRows } = await read([right]);
      expect(badRows).toEqual([]);
      expect(readings).toMatchObject([
        {
          cellId: 7,
          loggerId: 3,
          stream: { name: "BME280_TEMP", measurement: "Temperature", unit: "C" },
          ts: 1_700_000_000,
          value: 21.5,
          receivedAt: 1_700_000_001,
        },
      ]);
    }
  });

  it.each([
    ["timestamp", year12000, /is not a time$/],
    ["received_at", year12000, /is not a time$/],
    ["cell_id", 16.5, /^"16.5" is not a cell's number$/],
    ["cell_id", -1, /^"-1" is not a cell's number$/],
    ["logger_id", -5n, /^"-5" is not a logger's number$/],
    ["logger_id", 2n ** 62n, /is not a logger's number$/],
    ["sensor", "", /^"" is not a sensor's name$/],
    ["sensor", "a\0b", /^"a\uFFFDb" is not a sensor's name$/],
    ["sensor", "a\u001b[2J", /^"a\uFFFD\[2J" is not a sensor's name$/],
    ["sensor", "x".repeat(101), /is not a sensor's name$/],
    ["measurement", "x".repeat(5000), /^"x{160}…" is not a measurement$/],
    ["unit", "x".repeat(31), /is not a unit$/],
    ["unit", "\u007f", /is not a unit$/],
  ] as const)("is none with a %s of %o, and its row is told", async (name, value, reason) => {
    for (const read of [readCsv, readParquet]) {
      const { readings, badRows } = await read([right, { ...right, [name]: value }, right]);
      expect(readings).toHaveLength(2);
      const line = read === readCsv ? 3 : 2;
      expect(badRows).toEqual([{ line, reason: expect.stringMatching(reason) }]);
    }
  });

  it("is none where a column's name could be no sensor's", async () => {
    const header = `timestamp,Plot (7) a\0.b [C],Plot (7) c.d [C]`;
    const row = "2026-01-02T03:04:05.000Z";
    const file = fileOf("wide.csv", `${header}\n${row},1,2\n${row},,3\n`);
    const { readings, badRows } = await readAll("export", file);
    expect(readings).toMatchObject([{ stream: { name: "c" }, value: 3 }]);
    expect(badRows).toEqual([{ line: 2, reason: '"a\uFFFD" is not a sensor\'s name' }]);
  });

  it("can be stored, or is a bad row, whatever stands in a file", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 120 }),
      fc.constantFrom("\ud800", "\0", "x".repeat(100), "x".repeat(101)),
    );
    const row: fc.Arbitrary<Row> = fc.record({
      timestamp: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
      cell_id: fc.double(),
      cell: text,
      sensor: text,
      measurement: text,
      value: fc.double(),
      unit: text,
      received_at: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
      logger_id: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    });
    const some = fc.array(mixed(row), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(some, fc.constantFrom(readCsv, readParquet), async (rows, read) => {
        const { readings, badRows } = await read(rows);
        expect(readings.length + badRows.length).toBeGreaterThan(0);
        for (const { stream, ts, receivedAt, cellId, loggerId } of readings) {
          expect([stream.name, stream.measurement].every(isLabel)).toBe(true);
          expect(stream.unit).toSatisfy((unit: string) => unit === "" || isLabel(unit));
          for (const time of [ts, receivedAt]) expect(isWithin(time, 253_402_300_799)).toBe(true);
          for (const id of [cellId, loggerId ?? 0])
            expect(Number.isInteger(id) && isWithin(id, 2 ** 32 - 1)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });
});

/** Rows of which some columns are right. */
function mixed(row: fc.Arbitrary<Row>): fc.Arbitrary<Row> {
  const kept = fc.subarray(Object.keys(right) as (keyof Row)[]);
  return fc
    .tuple(row, kept)
    .map(([drawn, names]) =>
      Object.assign({}, drawn, Object.fromEntries(names.map((name) => [name, right[name]]))),
    );
}

function isLabel(text: string): boolean {
  return Value.Check(Label, text);
}

function isWithin(number: number, most: number): boolean {
  return number >= 0 && number <= most;
}

async function readCsv(rows: readonly Row[]) {
  const lines = rows.map((row) =>
    columns
      .map((name) => {
        const isTime = name === "timestamp" || name === "received_at";
        return quoted(isTime ? toIso(row[name]) : String(row[name]));
      })
      .join(","),
  );
  return await readAll("export", fileOf("t.csv", [columns.join(","), ...lines, ""].join("\n")));
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

function toIso(micros: bigint): string {
  const date = new Date(Number(micros) / 1000);
  return Number.isNaN(date.getTime()) ? String(micros) : date.toISOString();
}

async function readParquet(rows: readonly Row[]) {
  const schema = columns.map((name) => {
    const { element } = columnOf(name);
    // Not ours: what holds fractions.
    return name === "cell_id" ? { ...element, type: "DOUBLE" as const } : element;
  });
  const buffer = parquetWriteBuffer({
    schema: [{ name: "root", num_children: schema.length }, ...schema],
    columnData: columns.map((name) => ({ name, data: rows.map((row) => row[name]) })),
  });
  return await readAll("parquet", fileOf("t.parquet", Buffer.from(buffer)));
}
