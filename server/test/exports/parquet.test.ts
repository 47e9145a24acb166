import { descriptionKey } from "@ents-backend/schemas/export-columns";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { describe, expect, it } from "vitest";
import { odd, start, thirds, useExports, type Row } from "../support/exports.ts";

const exports = useExports();

describe("a Parquet file", () => {
  it("has what the tidy CSV has, to the microsecond and the bit", async () => {
    const cell = await exports.newCell("P 'q'");
    await exports.store(cell, powerStreams.v, thirds(start, 0.000123, 60_000));
    await exports.store(cell, odd, [[start + 1, null]], { loggerId: null });
    await exports.store(cell, odd, [[start + 2, Number.MIN_VALUE]]);
    const bytes = await exports.write({ cells: [cell], format: "parquet" });
    const file = new Uint8Array(bytes).buffer;
    const rows = await parquetReadObjects({ file, parsers: { timestampFromMicroseconds: asIs } });
    const tidy = await exports.table([cell], { format: "csv-tidy" });
    expect(rows).toHaveLength(60_002);
    expect(rows.map(toFields)).toEqual(tidy.map(unguarded));
    const metadata = parquetMetadata(file);
    const said = metadata.key_value_metadata?.find(({ key }) => key === descriptionKey)?.value;
    expect(JSON.parse(said!)).toMatchObject({
      version: 1,
      created: "2026-01-02T03:00:00.000Z",
      query: { resample: "none", tz: "UTC" },
      cells: [{ cell_id: cell, cell: "P 'q'", latitude: 36.99, longitude: null }],
      sensors: [
        { sensor: "POWER_VOLTAGE", measurement: "Voltage", unit: "mV", data_type: "float" },
        { sensor: "-odd", measurement: 'a "b", c', unit: "=µ" },
      ],
    });
  });

  it("is there where there is nothing", async () => {
    const file = new Uint8Array(
      await exports.write({ cells: [await exports.newCell()], format: "parquet" }),
    ).buffer;
    expect(await parquetReadObjects({ file })).toEqual([]);
  });
});

function toFields(row: Record<string, unknown>): Row {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, field(value)]));
}

/** Dates have no microseconds. */
function asIs(micros: bigint): bigint {
  return micros;
}

function field(value: unknown): string {
  if (typeof value === "bigint" && value > 10n ** 12n) return isoOf(value);
  return typeof value === "object" ? "" : `${value as string | number}`;
}

function isoOf(micros: bigint): string {
  const iso = new Date(Number(micros / 1000n)).toISOString();
  const rest = micros % 1000n;
  return rest === 0n ? iso : iso.replace("Z", `${String(rest).padStart(3, "0")}Z`);
}

function unguarded(row: Row): Row {
  return {
    ...row,
    sensor: row["sensor"]!.replace("'-", "-"),
    unit: row["unit"]!.replace("'=", "="),
  };
}
