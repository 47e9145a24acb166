import { sensorType } from "@ents-backend/schemas/sensor";
import { describe, expect, it } from "vitest";
import { writeReadings } from "../support/write-readings.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";

const api = useApi();
const { name, measurement, unit } = sensorType("BME280_TEMP");

const seconds = (text: string) => Date.parse(text) / 1000;

/** A cell with a reading every ten minutes from one instant until before another one, each of them 1. */
async function cellOf(from: string, to: string): Promise<number> {
  const cellId = await newCell(api);
  const count = (seconds(to) - seconds(from)) / 600;
  const place = { cellId, stream: { name, measurement, unit }, dataType: "float" } as const;
  await writeReadings(
    api.db,
    Array.from({ length: count }, (_, at) => ({
      ...place,
      ts: seconds(from) + at * 600,
      value: at,
      receivedAt: api.now,
      loggerId: 1,
    })),
  );
  return cellId;
}

async function startsOf(cellId: number, query: Record<string, string>) {
  const parameters = new URLSearchParams({
    cellId: String(cellId),
    name,
    measurement,
    timestamps: "iso",
    startTime: "0",
    ...query,
  });
  const answer = await api.get(`/api/sensor/?${parameters.toString()}`);
  expect(answer.statusCode).toBe(200);
  const { timestamp, data } = answer.json<{ timestamp: string[]; data: number[] }>();
  return { timestamp: timestamp.map((text) => text.replace(":00.000Z", "Z")), data };
}

describe("days of a zone", () => {
  it.each([
    [
      "America/Los_Angeles, 23 hours long in spring",
      ["2024-03-09T08:00Z", "2024-03-10T08:00Z", "2024-03-11T07:00Z"],
    ],
    [
      "America/Los_Angeles, 25 hours long in autumn",
      ["2024-11-02T07:00Z", "2024-11-03T07:00Z", "2024-11-04T08:00Z"],
    ],
    ["Asia/Kolkata, from half past", ["2024-01-01T18:30Z", "2024-01-02T18:30Z"]],
    ["Asia/Kathmandu, from a quarter past", ["2024-01-01T18:15Z", "2024-01-02T18:15Z"]],
    [
      "Australia/Lord_Howe, 23.5 hours long in spring",
      ["2024-10-04T13:30Z", "2024-10-05T13:30Z", "2024-10-06T13:00Z"],
    ],
    [
      "America/St_Johns, 25 hours long in autumn",
      ["2024-11-02T02:30Z", "2024-11-03T02:30Z", "2024-11-04T03:30Z"],
    ],
    [
      "America/Havana, where midnight comes twice",
      ["2024-11-02T04:00Z", "2024-11-03T04:00Z", "2024-11-04T05:00Z"],
    ],
    [
      "Africa/Cairo, where midnight is left out",
      ["2024-04-24T22:00Z", "2024-04-25T22:00Z", "2024-04-26T21:00Z"],
    ],
  ])("%s", async (zone, starts) => {
    const tz = zone.split(",", 1)[0]!;
    const cellId = await cellOf(starts[0]!, starts.at(-1)!);
    const { timestamp, data } = await startsOf(cellId, {
      endTime: starts.at(-1)!,
      resample: "day",
      tz,
    });
    expect(timestamp).toEqual(starts.slice(0, -1));
    let first = 0;
    for (const [at, mean] of data.entries()) {
      const count = (seconds(starts[at + 1]!) - seconds(starts[at]!)) / 600;
      expect(mean).toBeCloseTo(first + (Math.ceil(count) - 1) / 2, 0);
      first += count;
    }
  });

  it.each([
    ["week", "2023-12-31T18:30Z"],
    ["month", "2023-12-31T18:30Z"],
    ["quarter", "2023-12-31T18:30Z"],
    ["year", "2023-12-31T18:30Z"],
  ])("make a %s of that zone", async (resample, start) => {
    const cellId = await cellOf("2024-01-01T00:00Z", "2024-01-03T00:00Z");
    const query = { endTime: "2024-02-01", resample, tz: "Asia/Kolkata" };
    expect((await startsOf(cellId, query)).timestamp).toEqual([start]);
  });

  it("change nothing about hours, which are UTC's", async () => {
    const cellId = await cellOf("2024-01-01T00:00Z", "2024-01-01T02:00Z");
    const query = { endTime: "2024-02-01", resample: "hour" };
    expect(await startsOf(cellId, { ...query, tz: "Asia/Kolkata" })).toEqual(
      await startsOf(cellId, query),
    );
  });
});

/** A cell with one reading, 1, at each of some instants. */
async function cellAt(...instants: readonly number[]): Promise<number> {
  const cellId = await newCell(api);
  const place = { cellId, stream: { name, measurement, unit }, dataType: "float" } as const;
  for (const ts of instants)
    await writeReadings(api.db, [{ ...place, ts, value: 1, receivedAt: 1, loggerId: 1 }]);
  return cellId;
}

describe("a node's clock that began in 1970", () => {
  const first = seconds("1970-01-01T00:00:10Z");
  const instants = ["2024-11-02T18:29:59Z", "2024-11-02T18:30:00Z", "2024-11-05T00:00:00Z"];

  it.each([
    [
      "Asia/Kolkata",
      ["1969-12-31T18:30Z", "2024-11-01T18:30Z", "2024-11-02T18:30Z", "2024-11-04T18:30Z"],
    ],
    ["Africa/Abidjan", ["1970-01-01T00:00Z", "2024-11-02T00:00Z", "2024-11-05T00:00Z"]],
  ])("leaves the days of %s between it and today's readings empty", async (tz, starts) => {
    const cellId = await cellAt(first, ...instants.map(seconds));
    const query = { endTime: "2025-01-01", resample: "day", tz };
    const { timestamp, data } = await startsOf(cellId, query);
    expect([timestamp, new Set(data)]).toEqual([starts, new Set([1])]);
    // The same over a time that is short enough to look into each day.
    const short = await startsOf(cellId, { ...query, startTime: "2024-10-01" });
    expect(short.timestamp).toEqual(starts.slice(1));
  });

  it("and one of the year 9999 leave a chart of months as it is", async () => {
    const cellId = await cellAt(first, ...instants.map(seconds), seconds("9999-12-31T12:00:00Z"));
    const query = { endTime: "9999-12-31T23:59:59", resample: "month", tz: "America/St_Johns" };
    const { timestamp } = await startsOf(cellId, query);
    expect(timestamp).toEqual(["1969-12-01T03:30Z", "2024-11-01T02:30Z", "9999-12-01T03:30Z"]);
  });
});

describe("a zone that is none", () => {
  it.each(["Mars/Olympus", "CET", "+05:30", "UTC+3", "America/Los_Angeles'", "posix/Asia/Tokyo"])(
    "%s is answered 400",
    async (tz) => {
      for (const resample of ["day", "hour", "auto"]) {
        const answer = await api.get(
          `/api/power/1?resample=${resample}&tz=${encodeURIComponent(tz)}`,
        );
        expect([answer.statusCode, answer.json().code]).toEqual([400, "unknown_zone"]);
      }
    },
  );
});

it("answers 400 where a zone's days would be too many", async () => {
  const cellId = await cellAt(0, 200_000_000_000);
  const span = "startTime=0&endTime=250000000000&tz=Asia/Tokyo";
  const answer = async (resample: string) =>
    await api.get(
      `/api/sensor/?cellId=${cellId}&name=${name}&measurement=${measurement}&${span}&resample=${resample}`,
    );
  expect((await answer("day")).json()).toMatchObject({ status: 400, code: "too_many_buckets" });
  expect((await answer("year")).json()).toMatchObject({ data: [1, 1] });
});
