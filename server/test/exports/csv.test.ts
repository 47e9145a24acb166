import { powerStreams } from "@ents-backend/schemas/measurement";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import type { ExportParams } from "@ents-backend/schemas/export";
import { odd, start, temperature, thirds, useExports } from "../support/exports.ts";

const exports = useExports();

describe("a wide CSV", () => {
  it("has a row for each instant, and a column for each sensor of each cell", async () => {
    const [one, other] = [await exports.newCell("Plot 7"), await exports.newCell("Plot 8")];
    await exports.store(one, powerStreams.v, [
      [start, 850.5],
      [start + 10, -3],
    ]);
    await exports.store(one, temperature, [[start + 10, 21]]);
    await exports.store(other, temperature, [[start + 0.25, 1e-7]]);
    expect(await exports.text([other, one])).toBe(
      `timestamp,Plot 8 (${other}) BME280_TEMP [C],Plot 7 (${one}) power.v [mV],Plot 7 (${one}) BME280_TEMP [C]\n` +
        "2026-01-02T03:00:00.000Z,,850.5,\n" +
        "2026-01-02T03:00:00.250Z,1e-7,,\n" +
        "2026-01-02T03:00:10.000Z,,-3,21\n",
    );
  });

  it("has the sensors and the time that are asked for, in the order asked", async () => {
    const cell = await exports.newCell();
    for (const stream of [powerStreams.v, powerStreams.i])
      await exports.store(
        cell,
        stream,
        [0, 1, 2, 3].map((at) => [start + at, at]),
      );
    const asked = { sensors: ["power.p", "POWER_CURRENT"], start: String(start + 1) };
    const rows = parse(await exports.text([cell], { ...asked, end: "2026-01-02T03:00:02Z" }));
    expect(rows.map((row) => row.slice(1))).toEqual([
      [expect.stringContaining("power.p [uW]"), expect.stringContaining("POWER_CURRENT [uA]")],
      ["0.001", "1"],
      ["0.004", "2"],
    ]);
  });

  it("is a head alone where there is nothing", async () => {
    const cell = await exports.newCell("Empty");
    expect(await exports.text([cell])).toBe("timestamp\n");
    await exports.store(cell, temperature, [[start, 1]]);
    const head = `timestamp,Empty (${cell}) BME280_TEMP [C; mean by day]\n`;
    expect(await exports.text([cell], { end: String(start - 1) })).toBe("timestamp\n");
    const asked: Partial<ExportParams> = {
      sensors: ["BME280_TEMP", "teros12.vwc"],
      resample: "day",
    };
    expect(await exports.text([cell], { ...asked, start: String(start + 1) })).toBe(head);
  });
});

describe("a tidy CSV", () => {
  it("has a row for each reading, with all that is kept of it", async () => {
    const cell = await exports.newCell('=1+1, "x"\u{1F4A7}');
    await exports.store(cell, odd, [[start, 0.1 + 0.2]]);
    await exports.store(cell, temperature, [[start + 0.000001, null]], {
      loggerId: null,
      dataType: "int",
    });
    const received = "2026-01-02T03:00:00.123456Z";
    expect(await exports.text([cell], { format: "csv-tidy" })).toBe(
      "timestamp,cell_id,cell,sensor,measurement,value,unit,received_at,logger_id\n" +
        `2026-01-02T03:00:00.000Z,${cell},"'=1+1, ""x""\u{1F4A7}",'-odd,"a ""b"", c",0.30000000000000004,'=µ,${received},4294967295\n` +
        `2026-01-02T03:00:00.000001Z,${cell},"'=1+1, ""x""\u{1F4A7}",BME280_TEMP,Temperature,,C,${received},\n`,
    );
  });

  it("agrees with the wide one, however many parts both are read in", async () => {
    const cells = [await exports.newCell(), await exports.newCell()];
    // An hour that is too much by itself, two that overlap, and one far away.
    await exports.store(cells[0]!, powerStreams.v, thirds(start, 0.05, 45_000));
    await exports.store(cells[0]!, temperature, thirds(start, 0.07, 30_000));
    await exports.store(cells[1]!, temperature, thirds(start + 600, 1, 3_000));
    await exports.store(cells[1]!, powerStreams.i, [[946_684_800, 7]]);
    const tidy = await exports.table(cells, { format: "csv-tidy" });
    const wide = await exports.table(cells);
    expect(tidy).toHaveLength(78_001);
    const values = wide.flatMap(({ timestamp, ...columns }) =>
      Object.entries(columns)
        .filter(([, value]) => value !== "")
        .map(([name, value]) => `${timestamp} ${/\((\d+)\)/.exec(name)![1]} ${value}`),
    );
    expect(values.toSorted()).toEqual(
      tidy.map((row) => `${row["timestamp"]} ${row["cell_id"]} ${row["value"]}`).toSorted(),
    );
    for (const rows of [tidy, wide]) {
      const times = rows.map(({ timestamp }) => Date.parse(timestamp!));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    expect(new Set(wide.map(({ timestamp }) => timestamp)).size).toBe(wide.length);
  });
});
