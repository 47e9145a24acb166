import { describe, expect, it } from "vitest";
import {
  readHeader,
  readRow,
  toReadings,
  type Row,
} from "../../../src/ingest/files/rocketlogger.ts";

const names = [
  "timestamp",
  "Voltage (mV)",
  "Current (uA)",
  "Power (uW)",
  "EC (uS/cm)",
  "VWC (%)",
  "Temperature (C)",
];
const layout = readHeader(names);
const instant = " 08 Jul 2023 20:00:00 GMT";

describe("readHeader", () => {
  it("finds columns by name, in any order and letter case, and knows both ways to write micro", () => {
    const found = readHeader(["VWC (%)", " Current (µA) ", "TIMESTAMP", "Note"]);
    expect(readRow(found, ["0.3", "7", instant, "sunny"])).toEqual({
      ts: 1_688_846_400,
      values: { vwc: 0.3, current: 7 },
    });
    expect(found.ignored).toEqual(["Note"]);
  });

  it.each([
    ["no timestamp", ["Voltage (mV)"], /no column timestamp.*it is "Voltage \(mV\)"/],
    ["no measurement", ["timestamp", "Voltage (V)"], /no column of measurements.*Voltage \(mV\)/],
    ["a column twice", ["timestamp", "VWC (%)", "vwc (%)"], /the column vwc \(%\) twice/],
    ["other separators", ["timestamp;Voltage (mV)"], /separated by commas/],
    ["bytes of a terminal", ["\u001b[2J\u0000"], /it is "\uFFFD\[2J\uFFFD"/],
  ])("refuses %s, with what it found and what it wants", (_, fields, message) => {
    expect(() => readHeader(fields)).toThrow(message);
  });
});

describe("readRow", () => {
  it("tells no reading from one without a value", () => {
    expect(readRow(layout, [instant, "", "NaN", "", "-inf", "1e999", " 18 "])).toEqual({
      ts: 1_688_846_400,
      values: { current: null, ec: null, vwc: null, temperature: 18 },
    });
  });

  it.each([
    ["29 Feb 2024 00:00:00 GMT", 1_709_164_800],
    ["01 Jan 1970 00:00:00 GMT", 0],
    ["Sat, 08 Jul 2023 20:00:00 GMT", 1_688_846_400],
    ["2023-07-08T20:00:00.5Z", 1_688_846_400.5],
  ])("reads the time %s", (time, ts) => {
    expect(readRow(layout, [time, "1", "", "", "", "", ""])).toMatchObject({ ts });
  });

  it.each([
    ["29 Feb 2023 00:00:00 GMT"],
    ["08 Foo 2023 20:00:00 GMT"],
    ["08 Jul 0023 20:00:00 GMT"],
    ["08 Jul 2023 24:00:00 GMT"],
    ["31 Dec 1969 23:59:59 GMT"],
    ["08 Jul 2023 20:0"],
    [""],
  ])("refuses the time %j", (time) => {
    expect(readRow(layout, [time, "1", "", "", "", "", ""])).toEqual({
      reason: `${JSON.stringify(time)} is not a time from 1970 on`,
    });
  });

  it.each(["1.2.3", "0x10", "1,5", "1e-", "-", "eighteen", "Infinite"])(
    "refuses %j as a number, and with it the row",
    (text) => {
      expect(readRow(layout, [instant, "1", "2", "", "", "", text])).toEqual({
        reason: `Temperature (C): ${JSON.stringify(text)} is not a number`,
      });
    },
  );

  it("refuses a torn row", () => {
    expect(readRow(layout, [instant, "1"])).toEqual({
      reason: "2 fields where the header has 7",
    });
  });
});

describe("toReadings", () => {
  const origin = { cellId: 1, loggerId: 2, receivedAt: 3, vwcUnit: "fraction" } as const;
  const valuesOf = (values: Row["values"], vwcUnit: "fraction" | "percent" = "fraction") =>
    toReadings({ ts: 0, values }, { ...origin, vwcUnit }).map(({ stream, value }) => [
      stream.name,
      value,
    ]);

  const powerOf = (power: number | null) => valuesOf({ voltage: 40.1, current: 1.1, power })[2];

  it("scales VWC by the file's unit alone, whatever the value", () => {
    for (const vwc of [-1.3, 0, 0.5, 1, 34]) {
      expect(valuesOf({ vwc })).toEqual([["TEROS12_VWC_ADJ", vwc * 100]]);
      expect(valuesOf({ vwc }, "percent")).toEqual([["TEROS12_VWC_ADJ", vwc]]);
    }
  });

  it("keeps the file's power, but for the last digits of the product", () => {
    expect(powerOf(0.0523)).toEqual(["POWER", 0.0523]);
    expect(powerOf(0.04411 * (1 + 1e-12))).toEqual(["POWER", (40.1 * 1.1) / 1000]);
    expect(powerOf(null)).toEqual(["POWER", null]);
  });

  it("names where they are from", () => {
    expect(toReadings({ ts: 5, values: { temperature: 18.5 } }, origin)).toEqual([
      expect.objectContaining({
        cellId: 1,
        loggerId: 2,
        receivedAt: 3,
        ts: 5,
        value: 18.5,
        dataType: "float",
      }),
    ]);
  });
});
