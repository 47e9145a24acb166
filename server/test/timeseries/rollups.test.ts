import { sensorType } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { findColumns, readTable } from "../../src/timeseries/read.ts";
import { isOfHours, resamples, toBuckets, type Range } from "../../src/timeseries/resample.ts";
import { resolve } from "../../src/timeseries/resolve.ts";
import { writeReadings } from "../support/write-readings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";

const database = useDatabase();
const stream = sensorType("BME280_TEMP");
const start = Date.parse("2024-03-08T00:00:00Z") / 1000;
const days = 24;

const quarterOf = (max_s: number) => fc.integer({ min: 0, max: max_s * 4 }).map((n) => n / 4);
const reading = fc.record({
  ts: fc.oneof(
    quarterOf(days * 86_400),
    fc.integer({ min: 0, max: days * 48 }).map((n) => n * 1800),
  ),
  value: fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constantFrom(null, 1e200, 0)),
});
const zones = [
  "UTC",
  "America/Los_Angeles",
  "Europe/Berlin",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "America/Havana",
];
const ofHours = resamples.filter((resample) => isOfHours(toBuckets(resample)));

/** What SQL makes of the readings themselves, by local calendar; the start of a bucket is left to its first hour. */
async function aggregate(sensorId: number, range: Range, resample: string, tz: string) {
  const buckets = toBuckets(resample as (typeof resamples)[number]);
  const bucket =
    buckets.kind === "calendar"
      ? sql`date_trunc(${buckets.unit}, ts at time zone ${tz})`
      : sql`date_bin(make_interval(secs => ${(buckets as { width_s: number }).width_s}), ts, 'epoch'::timestamptz)`;
  const { rows } = await sql<{ mean: number | null; least: number | null; most: number | null }>`
    select avg(value) filter (where abs(value) < 1e150) as mean,
      min(value) filter (where abs(value) < 1e150) as least, max(value) filter (where abs(value) < 1e150) as most
    from (
      select value, ${bucket} as bucket from reading
      where sensor_id = ${sensorId} and ts between to_timestamp(${range.start}) and to_timestamp(${range.end})
    ) as reading
    group by bucket order by bucket`.execute(database.db);
  return rows;
}

async function readAll(cellId: number, range: Range, resample: string, tz: string) {
  const columns = await findColumns(database.db, cellId, [stream]);
  const query = {
    range,
    resample: resample as "hour",
    points: 1000,
    tz,
    envelope: true,
    timestamps: "unix" as const,
  };
  const ids = columns.map(({ sensorId }) => sensorId!);
  const resolved = await resolve(database.db, ids, query);
  const lists: [number[], ...(number | null)[][]] = [[], [], [], []];
  for await (const { timestamp, columns: texts } of readTable(database.db, columns, resolved))
    for (const [at, text] of [timestamp, ...texts].entries())
      lists[at]!.push(...(JSON.parse(`[${text}]`) as number[]));
  return lists;
}

describe("buckets of an hour or more", () => {
  it("are what the readings come to, in whatever order these came, over any range, in any zone", async () => {
    const batches = fc.array(fc.array(reading, { minLength: 1, maxLength: 25 }), { maxLength: 4 });
    const asked = fc.array(
      fc.record({
        from: quarterOf(days * 86_400),
        length: quarterOf(days * 86_400),
        resample: fc.constantFrom(...ofHours),
        tz: fc.constantFrom(...zones),
      }),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(batches, asked, async (written, queries) => {
        const cellId = await newCell(database);
        const place = {
          cellId,
          stream,
          dataType: "float",
          receivedAt: start,
          loggerId: 1,
        } as const;
        for (const batch of [...written, ...written.slice(0, 1)])
          await writeReadings(
            database.db,
            batch.map(({ ts, value }) => ({ ...place, ts: start + ts, value })),
          );
        const [column] = await findColumns(database.db, cellId, [stream]);
        if (column?.sensorId === undefined) return;
        for (const { from, length, resample, tz } of queries) {
          const range = { start: start + from, end: start + from + length };
          const expected = await aggregate(column.sensorId, range, resample, tz);
          const [timestamps, mean, least, most] = await readAll(cellId, range, resample, tz);
          expect(timestamps).toHaveLength(expected.length);
          expect(least).toEqual(expected.map((row) => row.least));
          expect(most).toEqual(expected.map((row) => row.most));
          expected.forEach((row, at) => {
            if (row.mean === null) expect(mean![at]).toBeNull();
            else expect(Math.abs(mean![at]! - row.mean)).toBeLessThanOrEqual(1e-9 * 1e6);
          });
        }
      }),
      { numRuns: 40 },
    );
  });
});
