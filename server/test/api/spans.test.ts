import { powerStreams } from "@ents-backend/schemas/measurement";
import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { store } from "../support/series.ts";

const api = useApi();

const seconds = (text: string) => Date.parse(text) / 1000;

let cellId = 0;
beforeAll(async () => {
  cellId = await newCell(api);
});

/** Uploads values of power; the instants are ISO 8601. */
async function upload(cell: number, values: Record<string, number>): Promise<void> {
  for (const [at, mV] of Object.entries(values)) {
    const data = { voltage: mV / 1000, current: 0.001 };
    await api.postJson("/api/sensor/", { type: "power", cellId: cell, ts: seconds(at), data });
  }
}

async function read(cell: number, query: Record<string, string>) {
  const answer = await api.get(`/api/power/${cell}?${new URLSearchParams(query).toString()}`);
  expect(answer.statusCode).toBe(200);
  return answer.json<{ timestamp: (string | number)[]; v: number[]; p: number[] }>();
}

describe("the span of a query", () => {
  const start = "2023-07-08T20:00:00Z";
  const end = "2023-07-08T20:00:10Z";
  beforeAll(async () => {
    await upload(cellId, {
      "2023-07-08T19:59:59Z": 1,
      [start]: 2,
      "2023-07-08T20:00:05.5Z": 3,
      [end]: 4,
      "2023-07-08T20:00:11Z": 5,
    });
  });

  it.each([
    ["RFC 1123", "Sat, 08 Jul 2023 20:00:00 GMT", "Sat, 08 Jul 2023 20:00:10 GMT"],
    ["ISO 8601", start, end],
    ["ISO 8601 of a zone", "2023-07-08T13:00:00-07:00", "2023-07-09T01:30:10+05:30"],
    ["ISO 8601 without one, which is UTC", "2023-07-08T20:00:00", "2023-07-08 20:00:10"],
    ["Unix seconds", "1688846400", "1688846410"],
    ["Unix seconds with a fraction", "1688846400.0", "1688846410.000"],
    ["one of each", "1688846400", "Sat, 08 Jul 2023 20:00:10 GMT"],
  ])("is given in %s, both ends included", async (_, startTime, endTime) => {
    expect((await read(cellId, { startTime, endTime, resample: "none" })).v).toEqual([2, 3, 4]);
  });

  it.each(["startTime", "endTime"])(
    "answers 400 for a %s that is none, and names it",
    async (key) => {
      for (const path of [`/api/power/${cellId}?`, `/api/teros/${cellId}?`])
        for (const text of ["foo", "2023-02-30", "Sat, 08 Jul 2023", "-5", "1e9", "20:00"]) {
          const answer = await api.get(`${path}${key}=${encodeURIComponent(text)}`);
          expect([text, answer.statusCode]).toEqual([text, 400]);
          expect(answer.json()).toMatchObject({ code: "invalid_time" });
          expect(answer.json().message).toContain(key);
        }
    },
  );

  it("is empty where it ends before it starts", async () => {
    expect(await read(cellId, { startTime: end, endTime: start })).toMatchObject({ timestamp: [] });
  });

  it("is the last month, up to now, unless it says otherwise", async () => {
    const cell = await newCell(api);
    await upload(cell, {
      "2024-02-14T11:59:59Z": 1,
      "2024-02-14T12:00:00Z": 2,
      "2024-03-14T12:00:00Z": 3,
      "2024-03-14T12:00:01Z": 4,
    });
    const before = api.now;
    api.now = seconds("2024-03-14T12:00:00Z");
    expect((await read(cell, { resample: "none" })).v).toEqual([2, 3]);
    const endTime = "2024-02-14T12:00:00Z";
    expect((await read(cell, { resample: "none", endTime })).v).toEqual([1, 2]);
    const startTime = "2024-03-14T12:00:00Z";
    expect((await read(cell, { resample: "none", startTime })).v).toEqual([3]);
    api.now = before;
  });

  it.each([
    ["2024-03-31T00:00:00Z", "2024-02-29T00:00:00Z"],
    ["2023-03-31T00:00:00Z", "2023-02-28T00:00:00Z"],
    ["2024-01-31T00:00:00Z", "2023-12-31T00:00:00Z"],
  ])("is the month before %s: it starts at %s", async (now, first) => {
    const cell = await newCell(api);
    await upload(cell, { [first]: 1, [now]: 2 });
    const before = api.now;
    api.now = seconds(now);
    expect((await read(cell, { resample: "none" })).v).toEqual([1, 2]);
    api.now = before;
  });
});

describe("resample", () => {
  const range = { startTime: "2024-01-01T00:00:00Z", endTime: "2024-12-31T23:59:59Z" };
  let cell = 0;
  beforeAll(async () => {
    cell = await newCell(api);
    await upload(cell, {
      "2024-01-01T00:00:00Z": 1,
      "2024-01-01T00:00:00.5Z": 2,
      "2024-01-01T00:00:59Z": 3,
      "2024-01-01T00:59:00Z": 4,
      "2024-01-01T23:00:00Z": 5,
      "2024-01-07T23:59:59Z": 9,
      "2024-01-08T00:00:00Z": 11,
      "2024-03-31T23:59:59Z": 13,
      "2024-04-01T00:00:00Z": 17,
      "2024-12-31T00:00:00Z": 35,
    });
  });

  it.each<[string, [start: string, mean: number][]]>([
    [
      "minute",
      [
        ["2024-01-01T00:00:00Z", 2],
        ["2024-01-01T00:59:00Z", 4],
        ["2024-01-01T23:00:00Z", 5],
      ],
    ],
    [
      "hour",
      [
        ["2024-01-01T00:00:00Z", 2.5],
        ["2024-01-01T23:00:00Z", 5],
      ],
    ],
    [
      "day",
      [
        ["2024-01-01T00:00:00Z", 3],
        ["2024-01-07T00:00:00Z", 9],
      ],
    ],
    [
      "week",
      [
        ["2024-01-01T00:00:00Z", 4],
        ["2024-01-08T00:00:00Z", 11],
      ],
    ],
    [
      "month",
      [
        ["2024-01-01T00:00:00Z", 5],
        ["2024-03-01T00:00:00Z", 13],
      ],
    ],
    [
      "quarter",
      [
        ["2024-01-01T00:00:00Z", 6],
        ["2024-04-01T00:00:00Z", 17],
      ],
    ],
    ["year", [["2024-01-01T00:00:00Z", 10]]],
  ])("%s: each bucket is a mean, stamped with its start", async (resample, expected) => {
    const { timestamp, v, p } = await read(cell, { ...range, resample, timestamps: "unix" });
    const buckets = timestamp.slice(0, expected.length).map((at, index) => [at, v[index]]);
    expect(buckets).toEqual(expected.map(([at, value]) => [seconds(at), value]));
    expect(p).toEqual(v);
  });

  it("second: joins what falls into one second", async () => {
    const { v } = await read(cell, { ...range, resample: "second" });
    expect(v.slice(0, 3)).toEqual([1.5, 3, 4]);
  });

  it("none: answers every reading as it is", async () => {
    const { timestamp } = await read(cell, { ...range, resample: "none", timestamps: "unix" });
    expect(timestamp).toHaveLength(10);
    expect(timestamp[1]).toBe(seconds("2024-01-01T00:00:00Z") + 0.5);
  });

  it("week: starts on the Monday before, in the year before if need be", async () => {
    const lone = await newCell(api);
    await upload(lone, { "2023-01-01T12:00:00Z": 1 });
    const { timestamp } = await read(lone, { startTime: "2023-01-01", resample: "week" });
    expect(timestamp).toEqual(["Mon, 26 Dec 2022 00:00:00 GMT"]);
  });

  it("is hour unless it says otherwise", async () => {
    expect(await read(cell, range)).toEqual(await read(cell, { ...range, resample: "hour" }));
  });

  it("counts readings of the span only, in buckets that reach beyond it", async () => {
    const startTime = "2024-01-01T00:00:59Z";
    const endTime = "2024-01-01T00:59:00Z";
    expect(await read(cell, { startTime, endTime, resample: "year" })).toMatchObject({ v: [3.5] });
  });

  it("leaves out of means what is past all bounds, and answers it as it is", async () => {
    const garbled = await newCell(api);
    await upload(garbled, {
      "2024-01-01T00:00:00Z": Number.MAX_VALUE,
      "2024-01-01T00:00:01Z": Number.MAX_VALUE,
      "2024-01-01T00:00:02Z": 3,
      "2024-01-01T00:00:03Z": 5,
    });
    expect(await read(garbled, { ...range, resample: "hour" })).toMatchObject({ v: [4], p: [4] });
    const { v } = await read(garbled, { ...range, resample: "none" });
    expect(v.slice(1)).toEqual([(Number.MAX_VALUE / 1000) * 1000, 3, 5]);
  });

  it.each(["fortnight", "Hour", "constructor"])("answers 400 for %s", async (resample) => {
    for (const path of [`/api/power/${cell}`, `/api/teros/${cell}`]) {
      const answer = await api.get(`${path}?resample=${resample}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json().message).toMatch(/^resample must be one of none, second, minute, hour/);
    }
  });
});

describe("timestamps", () => {
  it.each([
    [{}, "Sat, 08 Jul 2023 20:00:00 GMT"],
    [{ timestamps: "rfc1123" }, "Sat, 08 Jul 2023 20:00:00 GMT"],
    [{ timestamps: "iso" }, "2023-07-08T20:00:00.000Z"],
    [{ timestamps: "unix" }, 1_688_846_400],
  ])("%o", async (query, formatted) => {
    const startTime = "2023-07-08T20:00:00Z";
    const { timestamp } = await read(cellId, { startTime, endTime: startTime, ...query });
    expect(timestamp).toEqual([formatted]);
  });

  it("are exact to the microsecond, also when they are given back", async () => {
    const iso = "2024-01-01T00:00:00.123456Z";
    const at = seconds("2024-01-01T00:00:00Z") + 0.123456;
    const series = [[at, 1]] as const;
    const cell = await newCell(api);
    await store(api, cell, powerStreams.v, series);
    const query = { startTime: iso, endTime: iso, resample: "none", timestamps: "iso" };
    expect(await read(cell, query)).toMatchObject({ timestamp: [iso], v: [1] });
  });

  it("answers 400 for another form", async () => {
    expect((await api.get("/api/power/1?timestamps=julian")).statusCode).toBe(400);
  });
});

describe("a cell without readings, or that there is not", () => {
  it.each([
    ["/api/power", { timestamp: [], v: [], i: [], p: [] }],
    [
      "/api/teros",
      { timestamp: [], vwc: [], temp: [], ec: [], raw_vwc: [], vwc_unit: "%", raw_vwc_unit: "raw" },
    ],
  ])("%s answers empty lists", async (path, empty) => {
    for (const cell of [await newCell(api), 999_999])
      for (const query of ["", "?resample=none", "?stream=true"])
        expect((await api.get(`${path}/${cell}${query}`)).json()).toEqual(empty);
  });
});
