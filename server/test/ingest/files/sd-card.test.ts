import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fileOf, readAll } from "../../support/files.ts";

const header = (name: string) => `unix_time (s),cell_id,logger_id,${name}`;
const sdFile = (name: string, rows: readonly string[], end = "\n") =>
  fileOf(`${name}.csv`, [header(name), ...rows].join("\n") + end);
const valuesOf = async (name: string, rows: readonly string[], end?: string) =>
  (await readAll("sd-card", sdFile(name, rows, end))).readings.map(({ value }) => value);

describe("a file of a node's SD card", () => {
  it("says cell, logger, time and value of each reading, in the sensor's unit", async () => {
    const { readings } = await readAll(
      "sd-card",
      sdFile("POWER_VOLTAGE", ["1700000000,7,3,850.123456789"]),
    );
    expect(readings).toEqual([
      {
        cellId: 7,
        loggerId: 3,
        stream: expect.objectContaining({ name: "POWER_VOLTAGE", unit: "mV" }),
        dataType: "float",
        ts: 1_700_000_000,
        value: 850.123456789,
        receivedAt: 1_800_000_000,
      },
    ]);
  });

  it("goes to another cell and logger where it is told so", async () => {
    const file = sdFile("BME280_TEMP", ["1700000000,7,3,21"]);
    const { readings } = await readAll("sd-card", file, { cellId: 1, loggerId: 2 });
    expect(readings).toMatchObject([{ cellId: 1, loggerId: 2, value: 21, dataType: "int" }]);
  });

  it("has its whole numbers back as the node had them, below zero too", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), async (all) => {
        const rows = all.map((value, at) => `${at},1,1,${value >>> 0}`);
        expect(await valuesOf("BME280_TEMP", rows)).toEqual(all);
      }),
    );
  });

  it("has its decimals back to the ninth digit", async () => {
    const doubles = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.array(doubles, { minLength: 1 }), async (all) => {
        const printed = all.map((value) => value.toFixed(9));
        const rows = printed.map((value, at) => `${at},1,1,${value}`);
        expect(await valuesOf("TEROS12_TEMP", rows, "")).toEqual(printed.map(Number));
      }),
    );
  });

  it("leaves counters as they are, which are never below zero", async () => {
    expect(await valuesOf("D10_TIME_ELAPSED", ["1,1,1,4294967295"])).toEqual([4_294_967_295]);
  });

  it("keeps readings without a value", async () => {
    expect(await valuesOf("TEROS12_TEMP", ["1,1,1,nan", "2,1,1,-inf"])).toEqual([null, null]);
  });

  it.each([
    ["a whole number without its line's end", ["1,1,1,21", "2,1,1,2"], "", [21], 3],
    ["decimals without their last digits", ["1,1,1,0.500000000", "2,1,1,0.25"], "", [0.5], 3],
    [
      "a line within the file",
      ["1,1,1,0.500000000", "2,1,1,8", "3,1,1,0.250000000"],
      "\n",
      [0.5, 0.25],
      3,
    ],
    ["a line that goes on with another one", ["1,1,1,0.51700000000,1,1,0.250000000"], "\n", [], 2],
    ["a value", ["1,1,1,"], "\n", [], 2],
    ["a number that no node writes", ["1,1,1,4294967296"], "\n", [], 2],
    ["zero bytes", ["\0\0\0\0\0\0", "1,1,1,0.500000000"], "\n", [0.5], 2],
  ] as const)("leaves out %s, and says where it was", async (_, rows, end, values, line) => {
    const { readings, badRows } = await readAll("sd-card", sdFile("TEROS12_TEMP", rows, end));
    expect(readings.map(({ value }) => value)).toEqual(values);
    expect(badRows).toEqual([{ line, reason: expect.any(String) }]);
  });

  it("takes what a spreadsheet has saved, which leaves zeros out", async () => {
    expect(await valuesOf("TEROS12_TEMP", ["1,1,1,0.5", "2,1,1,8"])).toEqual([0.5, 8]);
  });

  it("passes over the headers that a node writes each time that it begins", async () => {
    const rows = ["1,1,1,1", header("BME280_TEMP"), "2,1,1,2"];
    const {
      readings,
      rows: count,
      badRows,
    } = await readAll("sd-card", sdFile("BME280_TEMP", rows));
    expect([readings.length, count, badRows]).toEqual([2, 2, []]);
  });

  it("keeps clocks that nobody has set", async () => {
    const { readings } = await readAll(
      "sd-card",
      sdFile("BME280_TEMP", ["12,1,1,1", "946684800,1,1,2"]),
    );
    expect(readings.map(({ ts }) => ts)).toEqual([12, 946_684_800]);
  });

  it("refuses a sensor type that isn't known, and says what to do", async () => {
    await expect(readAll("sd-card", sdFile("SONIC_SCREWDRIVER", ["1,1,1,1"]))).rejects.toThrow(
      /SONIC_SCREWDRIVER, a sensor type that isn't known here: import it by a mapping/,
    );
  });
});
