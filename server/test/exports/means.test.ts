import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { start, temperature, thirds, useExports } from "../support/exports.ts";

const exports = useExports();

describe("means", () => {
  it.each(["minute", "hour", "6 hours", "day", "week", "year"] as const)(
    "of each %s are those of the readings, each bucket once",
    async (resample) => {
      const cell = await exports.newCell();
      const readings = thirds(start - 1800, 977, 3_000);
      await exports.store(cell, temperature, [...readings, [start - 1800 + 0.5, null]]);
      const rows = await exports.table([cell], { resample, format: "csv-tidy" });
      const { rows: expected } = await sql<{ at: Date; mean: number }>`
        select ${bucketSql(resample)} as at, avg(value)::float8 as mean
        from reading join sensor on sensor.id = sensor_id where cell_id = ${cell} group by 1 order by 1`.execute(
        exports.db,
      );
      expect(rows.map(({ timestamp }) => timestamp)).toEqual(
        expected.map(({ at }) => at.toISOString()),
      );
      for (const [at, { value }] of rows.entries())
        expect(Number(value)).toBeCloseTo(expected[at]!.mean, 9);
      expect(rows[0]).not.toHaveProperty("received_at");
    },
  );

  it("of days are those of the zone", async () => {
    const cell = await exports.newCell();
    await exports.store(cell, temperature, thirds(start, 1800, 60));
    const rows = await exports.table([cell], {
      resample: "day",
      tz: "Asia/Kolkata",
      format: "csv-tidy",
    });
    expect(rows.map(({ timestamp }) => timestamp)).toEqual([
      "2026-01-01T18:30:00.000Z",
      "2026-01-02T18:30:00.000Z",
    ]);
  });
});

function bucketSql(resample: "minute" | "hour" | "6 hours" | "day" | "week" | "year") {
  if (resample === "6 hours") return sql`date_bin('6 hours', ts, 'epoch'::timestamptz)`;
  return sql`date_trunc(${resample}, ts, 'UTC')`;
}
