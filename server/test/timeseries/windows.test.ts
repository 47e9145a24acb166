import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import { beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { measure } from "../../src/timeseries/measure.ts";
import { resamples, type Resample } from "../../src/timeseries/resample.ts";
import { resolveMeasured, type Resolved } from "../../src/timeseries/resolve.ts";
import { joinRows, readRows, type Rows } from "../../src/timeseries/rows.ts";
import { listStreams } from "../../src/timeseries/sensors.ts";
import { planWindows, type Window } from "../../src/timeseries/windows.ts";
import { useDatabase } from "../support/database.ts";
import { ramp, store } from "../support/series.ts";

const database = useDatabase();
const start = Date.parse("2024-03-29T21:17:00Z") / 1000;
let ids: number[] = [];

beforeAll(async () => {
  const { db } = database;
  const cell = await createCell(db, { name: "windows", uploadPolicy: "open" });
  const api = { db, now: start };
  // Two that overlap, one of them in bursts, and a reading of a clock that was wrong.
  await store(api, cell.id, sensorType("BME280_TEMP"), ramp(start, 1711.5, 700));
  await store(api, cell.id, powerStreams.v, ramp(start + 86_400, 0.25, 400));
  await store(api, cell.id, powerStreams.v, [...ramp(start + 5 * 86_400, 7, 400), [0, 1]]);
  ids = (await listStreams(db, [cell.id])).map(({ id }) => id);
});

async function resolve(resample: Resample, tz: string, from = 0): Promise<Resolved> {
  const range = { start: from, end: start + 10 * 86_400 };
  const measured = await measure(database.db, ids, range);
  const asked = { range, resample, tz, points: 1, envelope: false, timestamps: "iso" } as const;
  return await resolveMeasured(database.db, measured, asked);
}

async function read(resolved: Resolved, windows: readonly Window[]): Promise<Rows> {
  const parts: Rows[] = [];
  for (const span of windows)
    parts.push(await readRows(database.db, ids, resolved, { span, origin: false }));
  return joinRows(parts);
}

describe.each(["UTC", "Europe/Berlin", "Asia/Kolkata"])("windows of %s", (tz) => {
  it.each(resamples)("%s: come to the same rows, however small they are", async (resample) => {
    const resolved = await resolve(resample, tz);
    const { start: from, end: to } = resolved.range;
    const whole = await read(resolved, [{ from, to, closed: true, rows: 1 }]);
    const windows = await planWindows(database.db, ids, resolved, 40);
    expect(await read(resolved, windows)).toEqual(whole);
    expect(windows.map(({ closed }) => closed).indexOf(true)).toBe(windows.length - 1);
    expect([windows[0]!.from, ...windows.map((window) => window.to)]).toEqual([
      ...windows.map((window) => window.from),
      to,
    ]);
  });
});

it("begins with the range, also where a bucket begins before it in the same hour", async () => {
  // A day of India begins at half past, and a reading comes some minutes later.
  const from = Date.parse("2024-03-30T18:31:00Z") / 1000;
  const resolved = await resolve("day", "Asia/Kolkata", from);
  const { start: first, end: last } = resolved.range;
  const whole = await read(resolved, [{ from: first, to: last, closed: true, rows: 1 }]);
  const windows = await planWindows(database.db, ids, resolved, 1);
  expect(await read(resolved, windows)).toEqual(whole);
  expect(windows[0]!.from).toBe(first);
  for (const window of windows) expect(window.from).toBeLessThan(window.to);
});

it("has no more rows in a window than it was asked for, but for what one hour brings", async () => {
  const resolved = await resolve("none", "UTC");
  const windows = await planWindows(database.db, ids, resolved, 100);
  expect(windows.length).toBeGreaterThan(10);
  for (const window of windows) {
    const { length } = await read(resolved, [window]);
    expect(length).toBeLessThan(200);
  }
});

it("is no window where there is nothing", async () => {
  const resolved = await resolve("none", "UTC");
  const nothing = { ...resolved, range: { start: 0, end: -Infinity } };
  expect(await planWindows(database.db, ids, nothing, 100)).toEqual([]);
  expect(await planWindows(database.db, [], resolved, 100)).toEqual([]);
});
