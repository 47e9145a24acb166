import { powerStreams } from "@ents-backend/schemas/measurement";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { chooseResample, countBuckets } from "../../src/timeseries/choose.ts";
import { ladder } from "../../src/timeseries/resample.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { ramp, store } from "../support/series.ts";

const api = useApi();
const start = Date.parse("2024-01-01T00:00:00Z") / 1000;
const { v } = powerStreams;

let cell = 0;
beforeAll(async () => {
  cell = await newCell(api);
  await store(api, cell, v, ramp(start, 600, 3000));
});

async function read(path: string, query: string) {
  const answer = await api.get(`/api/${path}resample=auto&timestamps=unix&${query}`);
  expect(answer.statusCode).toBe(200);
  return answer.json<{ resample: string; timestamp: number[]; v: number[]; data: number[] }>();
}

describe("resample=auto", () => {
  it.each([
    [10_000, "none", 3000],
    [2999, "15 minutes", 2000],
    [1000, "30 minutes", 1000],
    [999, "hour", 500],
    [100, "6 hours", 84],
    [42, "12 hours", 42],
    [21, "day", 21],
    [20, "week", 3],
    [2, "month", 1],
    [1, "month", 1],
  ])("gives at most %d points: %s", async (points, resample, length) => {
    // The span begins long before the readings and ends long after them.
    const answer = await read(`power/${cell}?`, `startTime=0&endTime=2100-01-01&points=${points}`);
    expect(answer.resample).toBe(resample);
    expect(answer.timestamp).toHaveLength(length);
  });

  it("counts the instants of all columns together", async () => {
    const two = await newCell(api);
    await store(api, two, v, ramp(start, 2, 700));
    await store(api, two, powerStreams.i, ramp(start + 1, 2, 700));
    const span = "startTime=0&endTime=2100-01-01";
    for (const [points, resample, length] of [
      [1400, "none", 1400],
      [1399, "2 seconds", 700],
    ] as const) {
      const answer = await read(`power/${two}?`, `${span}&points=${points}`);
      expect([answer.resample, answer.timestamp.length]).toEqual([resample, length]);
    }
  });

  it("says what it chose wherever it is asked, and nothing says it unasked", async () => {
    const span = `startTime=0&points=21`;
    const sensor = `cellId=${cell}&name=${v.name}&measurement=${v.measurement}`;
    const paths = [`power/${cell}?`, `sensor/?${sensor}&`, `sensor_json/?${sensor}&`];
    for (const path of paths) {
      const { resample, ...answer } = await read(path, span);
      expect([path, resample]).toEqual([path, "day"]);
      const asked = await api.get(`/api/${path}startTime=0&resample=day&timestamps=unix`);
      expect(asked.json()).toEqual(answer);
    }
    expect(await read("teros/999999?", span)).toMatchObject({ resample: "none", timestamp: [] });
    expect(await read(`power/${cell}?stream=true&`, span)).toMatchObject({ resample: "none" });
  });

  it("answers the least and the greatest value beside the mean, where they are asked for", async () => {
    const answer = await api.get(
      `/api/power/${cell}?startTime=0&endTime=2100-01-01&resample=auto&points=1&envelope=true&timestamps=unix`,
    );
    expect(answer.json()).toEqual({
      timestamp: [start],
      v: [1499.5],
      i: [null],
      p: [null],
      min: { v: [0], i: [null], p: [null] },
      max: { v: [2999], i: [null], p: [null] },
      resample: "month",
    });
    const sensor = `cellId=${cell}&name=${v.name}&measurement=${v.measurement}`;
    expect(
      await read(`sensor/?${sensor}&`, "startTime=0&endTime=2100-01-01&points=1&envelope=true"),
    ).toMatchObject({
      data: [1499.5],
      min: [0],
      max: [2999],
    });
  });
});

describe("chooseResample", () => {
  const choice = fc.record({
    from: fc.integer({ min: 0, max: 2e9 }),
    length: fc.integer({ min: 0, max: 1e9 }),
    points: fc.integer({ min: 20, max: 10_000 }),
    readings: fc.integer({ min: 0, max: 1e7 }),
    tz: fc.constantFrom("UTC", "America/Los_Angeles", "Asia/Kathmandu"),
  });

  it("takes the narrowest buckets that are few enough and don't go through too many readings", () => {
    fc.assert(
      fc.property(choice, ({ from, length, points, readings, tz }) => {
        const range = { start: from, end: from + length };
        const resample = chooseResample({
          range,
          points,
          tz,
          measured: [{ readings }],
          instants: readings,
        });
        const isRaw = resample === "none";
        expect(isRaw).toBe(readings <= points);
        if (isRaw) return;
        expect(countBuckets(resample, range, tz)).toBeLessThanOrEqual(Math.max(points, 33));
        const narrowest = readings > 250_000 ? ladder.indexOf("hour") : 0;
        for (const finer of ladder.slice(narrowest, ladder.indexOf(resample)))
          expect(countBuckets(finer, range, tz)).toBeGreaterThan(points);
      }),
    );
  });
});
