import { formatWideColumn, parseWideColumn } from "@ents-backend/schemas/export-columns";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import { streamNames } from "@ents-backend/schemas/stream-name";
import { parse } from "csv-parse/sync";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeLines, numberField, textField, toLine } from "../../src/exports/csv.ts";
import { instantWriter } from "../../src/lib/instant.ts";
import { guardFormula, unguardFormula } from "../../src/lib/formula.ts";

const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom("=", "+", "-", "@", "\t", "\r", "\n", '"', "'", ",", ";", " ", "a", "µ"),
    fc.string({ minLength: 1, maxLength: 1, unit: "grapheme" }),
  ),
});
const idle = { signal: new AbortController().signal, report: () => undefined };

async function encode(lines: string[]): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeLines(lines, idle)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("a text", () => {
  it("is read back as it was by any reader of CSV, once it isn't guarded any more", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(nasty, nasty, nasty), { minLength: 1, maxLength: 5 }),
        async (rows) => {
          // A line whose one field is empty is no line to most readers: numbers follow here as they do in exports.
          const lines = rows.map((row) => toLine([...row.map(textField), "1"]));
          const read = parse(await encode(lines), { recordDelimiter: "\n" });
          expect(read.map((row) => row.slice(0, 3).map(unguardFormula))).toEqual(rows);
        },
      ),
    );
  });

  it("begins no formula in a spreadsheet", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const [[field]] = parse(`${textField(text)},`, { recordDelimiter: "\n" }) as [[string]];
        expect(field).not.toMatch(/^[=+\-@\t\r]/);
        expect(unguardFormula(guardFormula(text))).toBe(text);
      }),
    );
  });
});

describe("a number", () => {
  it("is read back to the bit", () => {
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (value) => {
        expect(Number(numberField(value))).toBe(value);
      }),
    );
  });

  it("is never guarded, and empty where there is none", () => {
    expect([-1.5, -0, 1e21, NaN].map(numberField)).toEqual(["-1.5", "-0", "1e+21", ""]);
  });
});

describe("an instant", () => {
  it("is written as ISO 8601 has it, with microseconds where there are any", () => {
    const write = instantWriter();
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date("2250-01-01"), noInvalidDate: true }),
        fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999 })),
        (date, micros) => {
          const iso = date.toISOString();
          const expected = iso.replace("Z", `${String(micros).padStart(3, "0")}Z`);
          const written = write(date.getTime() * 1000 + micros);
          expect(written).toBe(micros === 0 ? iso : expected);
        },
      ),
    );
  });
});

describe("the name of a column", () => {
  it("says which cell, sensor and unit it is of, whatever these are called", () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom(" (2) ", " [", "]", "(", ")", ".", "%", "%2E", "2E", " ", "°", "a"),
        fc.string({ minLength: 1, maxLength: 1, unit: "grapheme" }),
      ),
    });
    const own = fc.record({ name: text, measurement: text });
    const known = fc.constantFrom(
      powerStreams.v,
      sensorType("BME280_TEMP"),
      { name: "bme280", measurement: "temperature" },
      { name: "power", measurement: "v" },
      { name: "BME280_TEMP", measurement: "other" },
    );
    const id = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(
        fc.record({ id, name: fc.oneof(nasty, text) }),
        fc.oneof(own, known),
        text,
        (cell, { name, measurement }, unit) => {
          const readings = { cell, stream: { name, measurement, unit } };
          for (const column of [readings, { ...readings, meanBy: "6 hours" }])
            for (const called of streamNames(column.stream))
              expect(parseWideColumn(formatWideColumn(column, called))).toEqual(column);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each(["timestamp", "power.v [mV]", "Plot 7 (x) power.v [mV]", ""])("isn't %j", (text) => {
    expect(parseWideColumn(text)).toBeUndefined();
  });
});
