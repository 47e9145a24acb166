import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportFormats } from "@ents-backend/schemas/export";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { odd, start, useExports } from "../support/exports.ts";
import { ask } from "./python.ts";

/** A table as pandas reads it: columns of equal length, with times in microseconds. */
type Columns = Readonly<Record<string, readonly (number | string | null)[]>>;

interface Answer {
  readonly wide: {
    readonly columns: string[];
    readonly timestamp: number[];
    readonly values: unknown[];
  };
  readonly tidy: Columns;
  readonly parquet: Columns;
  readonly metadata: object;
  readonly polars: { readonly csv: string; readonly parquet: Record<string, string> };
  readonly package: { readonly valid: boolean; readonly errors: unknown[] };
}

describe.skipIf(inject("pythonPrograms") === "")("what is exported", () => {
  const exports = useExports();
  const start_us = start * 1e6;
  const name = '=1+1, "plot" µ';
  let directory = "";
  let cell = 0;
  let answer: Answer;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ents-exports-"));
    cell = await exports.newCell(name);
    const { v } = powerStreams;
    await exports.store(cell, v, [[start, 0.1 + 0.2]]);
    await exports.store(cell, v, [[start + 1.000001, null]], { loggerId: null });
    await exports.store(cell, odd, [[start + 1.5, 5e-324]]);
    const paths: Record<string, string> = {};
    for (const format of exportFormats) {
      paths[format] = join(directory, format);
      const file = await exports.write({ cells: [cell], format, licence: "CC-BY-4.0" });
      await writeFile(paths[format], file);
    }
    answer = await ask<Answer>("exports.py", paths);
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("is read by pandas from the wide CSV", () => {
    expect(answer.wide).toEqual({
      columns: [
        "timestamp",
        `'${name} (${cell}) power.v [mV]`,
        `'${name} (${cell}) -odd.a "b", c [=µ]`,
      ],
      timestamp: [start_us, start_us + 1_000_001, start_us + 1_500_000],
      values: [
        [0.1 + 0.2, null, null],
        [null, null, 5e-324],
      ],
    });
  });

  it("is read by pandas from the tidy CSV and from Parquet, to the bit and the microsecond", () => {
    const received = start_us + 123_456;
    const expected = {
      timestamp: [start_us, start_us + 1_000_001, start_us + 1_500_000],
      received_at: [received, received, received],
      value: [0.1 + 0.2, null, 5e-324],
      logger_id: [4_294_967_295, null, 4_294_967_295],
      cell: [name, name, name],
      sensor: ["POWER_VOLTAGE", "POWER_VOLTAGE", "-odd"],
      measurement: ["Voltage", "Voltage", 'a "b", c'],
      unit: ["mV", "mV", "=µ"],
    };
    expect(answer.parquet).toEqual(expected);
    expect(answer.tidy).toEqual({
      ...expected,
      cell: expected.cell.map((text) => `'${text}`),
      sensor: ["POWER_VOLTAGE", "POWER_VOLTAGE", "'-odd"],
      unit: ["mV", "mV", "'=µ"],
    });
  });

  it("has its types and metadata for pyarrow and polars", () => {
    const instant = /^Datetime\(time_unit='us', time_zone='UTC'\)$/;
    expect(answer.polars.csv).toMatch(instant);
    expect(answer.polars.parquet).toMatchObject({
      timestamp: expect.stringMatching(instant),
      received_at: expect.stringMatching(instant),
      value: "Float64",
      logger_id: "Int64",
      cell_id: "Int32",
      sensor: "String",
    });
    expect(answer.metadata).toMatchObject({ version: 1, cells: [{ cell_id: cell, cell: name }] });
  });

  it("is a Data Package to frictionless, with the checksums that it says", () => {
    expect(answer.package).toEqual({ valid: true, errors: [] });
  });
});
