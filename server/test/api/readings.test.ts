import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import { beforeAll, describe, expect, it } from "vitest";
import { updateCell } from "../../src/store/cells.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { rebuildRollup } from "../../src/timeseries/rollup.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { ramp, store } from "../support/series.ts";

const api = useApi();
const start = 1_704_067_200;
const temperature = sensorType("BME280_TEMP");
const own = { name: "bme280", measurement: "temperature", unit: "C" };

interface Answer {
  readonly resample: string;
  readonly series: {
    readonly cell_id: number;
    readonly sensor: string;
    readonly unit: string;
    readonly timestamp: (number | string)[];
    readonly value: (number | null)[];
    readonly min?: (number | null)[];
    readonly max?: (number | null)[];
  }[];
}

async function get(query: Record<string, string>, headers: Record<string, string> = {}) {
  const parameters = new URLSearchParams({ start: "0", ...query });
  return await api.inject({ url: `/api/readings?${parameters.toString()}`, headers });
}

async function read(query: Record<string, string>): Promise<Answer> {
  const answer = await get(query);
  expect(answer.statusCode).toBe(200);
  return answer.json<Answer>();
}

let cell = 0;
let other = 0;
beforeAll(async () => {
  cell = await newCell(api);
  other = await newCell(api);
  await store(api, cell, temperature, [
    [start, 20],
    [start + 60, null],
    [start + 3600, 22],
  ]);
  await store(api, cell, powerStreams.v, [[start, 400]]);
  await store(api, cell, powerStreams.i, [[start, 50]]);
  await store(api, other, own, [[start + 5, 7]]);
});

describe("GET /api/readings", () => {
  it("has each cell once, however it is written", async () => {
    const one = await newCell(api);
    const data = { Temperature: 21 };
    await api.postJson("/api/sensor/", {
      type: "BME280_TEMP",
      cellId: one,
      ts: 1_705_316_400,
      data,
    });
    const { series } = (await api.get(`/api/readings?cells=${one},0${one}&start=0`)).json<{
      series: { value: number[] }[];
    }>();
    expect(series.map(({ value }) => value)).toEqual([[21]]);
  });

  it("answers each sensor of each cell over its own time axis, in the order asked", async () => {
    const sensors = "bme280.temperature,power.p,BME280_TEMP";
    expect(await read({ cells: `${other},${cell}`, sensors, resample: "none" })).toEqual({
      resample: "none",
      series: [
        {
          cell_id: other,
          sensor: "bme280.temperature",
          unit: "C",
          timestamp: [start + 5],
          value: [7],
        },
        { cell_id: cell, sensor: "power.p", unit: "uW", timestamp: [start], value: [20] },
        {
          cell_id: cell,
          sensor: "BME280_TEMP",
          unit: "C",
          timestamp: [start, start + 60, start + 3600],
          value: [20, null, 22],
        },
      ],
    });
  });

  it("answers all sensors of the cells, power included, by their usual names", async () => {
    const { series } = await read({ cells: `${cell},${other}` });
    const names = series.map(({ cell_id, sensor }) => `${cell_id} ${sensor}`);
    expect(names.slice(0, 4).sort()).toEqual([
      `${cell} BME280_TEMP`,
      `${cell} power.i`,
      `${cell} power.p`,
      `${cell} power.v`,
    ]);
    expect(names.slice(4)).toEqual([`${other} bme280.temperature`]);
  });

  it("answers the mean of each bucket, its least and greatest value, and null where it has none", async () => {
    await store(api, cell, { ...own, name: "many" }, [
      [start, 1],
      [start + 1, 5],
      [start + 3600, null],
    ]);
    const asked = { cells: String(cell), sensors: "many.temperature", resample: "hour" };
    const { series } = await read({ ...asked, envelope: "true", timestamps: "iso" });
    expect(series).toMatchObject([
      {
        timestamp: ["2024-01-01T00:00:00.000Z", "2024-01-01T01:00:00.000Z"],
        value: [3, null],
        min: [1, null],
        max: [5, null],
      },
    ]);
  });

  it("leaves out cells that there are not and that are private, and sensors that a cell doesn't have", async () => {
    const hidden = await newCell(api);
    await store(api, hidden, own, [[start, 1]]);
    await updateCell(api.db, hidden, { visibility: "private" });
    const { series } = await read({
      cells: `${hidden},999999,99999999999,${other}`,
      sensors: "bme280.temperature,teros12.vwc,no.such",
    });
    expect(series.map(({ cell_id }) => cell_id)).toEqual([other]);
  });

  it("answers a sensor without readings in the span with empty lists", async () => {
    const { series } = await read({ cells: String(other), end: "1000" });
    expect(series).toMatchObject([{ cell_id: other, timestamp: [], value: [] }]);
  });

  it("names a sensor once, by the first name that the query has for it", async () => {
    const sensors = "POWER_VOLTAGE,power.v,POWER_VOLTAGE.Voltage";
    const { series } = await read({ cells: `${cell},${cell}`, sensors });
    expect(series.map(({ sensor }) => sensor)).toEqual(["POWER_VOLTAGE"]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["no cells", {}, "cells is missing"],
    ["a cell that is no number", { cells: "1,x" }, "cells must be numbers"],
    [
      "101 cells",
      { cells: Array.from({ length: 101 }, (_, at) => at + 1).join(",") },
      "100 at most",
    ],
    [
      "a name that no sensor can have",
      { cells: "1", sensors: "power.v,VOLTAGE" },
      '"VOLTAGE" can\'t be',
    ],
    [
      "101 sensors",
      { cells: "1", sensors: Array.from({ length: 101 }, (_, at) => `a.${at}`).join(",") },
      "100 names",
    ],
    ["a time that is none", { cells: "1", start: "soon" }, "start is not a time"],
    ["no points", { cells: "1", points: "0" }, "points"],
    ["too many points", { cells: "1", points: "10001" }, "points"],
  ])("answers 400 for %s", async (_, asked, message) => {
    const answer = await get(asked);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().message).toContain(message);
  });

  it.each([
    ["/api/readings?cells=1&startTime=0", "startTime"],
    ["/api/readings?cells=1&resmaple=day", "resmaple"],
    ["/api/readings/since?cells=1&curser=1", "curser"],
    ["/api/export.csv?cells=1&startTime=0", "startTime"],
  ])("answers 400 to %s, rather than something else than was meant", async (url, name) => {
    const answer = await api.get(url);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ message: `${name} isn't known here` });
  });

  it("answers 400 for more than 1,000 series", async () => {
    const cells = await Promise.all(Array.from({ length: 11 }, async () => await newCell(api)));
    const names = Array.from({ length: 92 }, (_, at) => `s${at}`);
    for (const one of cells)
      await api.db
        .insertInto("sensor")
        .values(
          names.map((name) => ({
            cell_id: one,
            name,
            measurement: "m",
            unit: "",
            data_type: "float" as const,
          })),
        )
        .execute();
    const answer = await get({ cells: cells.join(",") });
    expect([answer.statusCode, answer.json().code]).toEqual([400, "too_many_series"]);
  });

  it("reads a series that is too long for one statement as it reads a short one", async () => {
    const long = await newCell(api);
    const readings = ramp(start, 1, 25_000);
    await store(api, long, temperature, readings);
    await store(api, long, own, [[start, 1]]);
    const { series } = await read({ cells: String(long), resample: "none" });
    expect(series).toMatchObject([
      { timestamp: readings.map(([ts]) => ts), value: readings.map(([, value]) => value) },
      { timestamp: [start], value: [1] },
    ]);
  });
});

/** A query of one day of the other cell. */
const query = () => ({ cells: String(other), end: String(start + 86_400), resample: "day" });

describe("the tag of an answer", () => {
  it("saves who has it from reading it again, until something is stored in the span", async () => {
    const { headers } = await get(query());
    expect(headers).toMatchObject({
      etag: expect.stringMatching(/^W\/"[\w-]+"$/),
      "cache-control": "private, no-cache",
      vary: "Accept-Encoding, Authorization, Origin, X-API-Key",
    });
    const tag = { "if-none-match": `"other", ${String(headers.etag)}` };
    const again = await get(query(), tag);
    expect([again.statusCode, again.body, again.headers["content-length"]]).toEqual([
      304,
      "",
      undefined,
    ]);

    await store(api, other, own, [[start + 5, 7]]);
    await store(api, other, own, [[start + 90_000, 7]]);
    expect((await get(query(), tag)).statusCode).toBe(304);
    await store(api, other, own, [[start + 6, 9]]);
    const changed = await get(query(), tag);
    expect([changed.statusCode, changed.json<Answer>().series[0]!.value]).toEqual([200, [8]]);
  });

  it("is another one once a span that slides has lost what a late reading brings it", async () => {
    const cells = String(await newCell(api));
    const storeAt = async (ts: number) => await store(api, Number(cells), own, [[ts, 1]]);
    for (const hour of [0.25, 120, 600]) await storeAt(start + hour * 3600);
    const sliding = (hour: number) => ({
      cells,
      start: String(start + hour * 3600),
      end: String(start + 700 * 3600),
      resample: "none",
    });
    const { headers } = await get(sliding(0.5));
    const tag = { "if-none-match": String(headers.etag) };
    expect((await get(sliding(0.75), tag)).statusCode).toBe(304);
    await storeAt(start + 240 * 3600);
    const answer = await get(sliding(1.1), tag);
    expect(answer.statusCode).toBe(200);
    expect(answer.json<Answer>().series[0]!.value).toEqual([1, 1, 1]);
  });

  it("is another one once rollups were made anew", async () => {
    const cellId = await newCell(api);
    await store(api, cellId, own, ramp(start, 60, 10));
    await foldRollups(api.db);
    const { id } = await api.db
      .updateTable("rollup_hour")
      .from("sensor")
      .set({ sum: 0 })
      .whereRef("sensor.id", "=", "sensor_id")
      .where("cell_id", "=", cellId)
      .returning("sensor.id")
      .executeTakeFirstOrThrow();
    const hours = { ...query(), cells: String(cellId), resample: "hour" };
    const { headers } = await get(hours);
    const tag = { "if-none-match": String(headers.etag) };
    expect((await get(hours, tag)).statusCode).toBe(304);
    await rebuildRollup(api.db, id, "hour");
    const mended = await get(hours, tag);
    expect([mended.statusCode, mended.json<Answer>().series[0]!.value]).toEqual([200, [4.5]]);
  });

  it("is another one for another query, and for who sees other cells", async () => {
    const tags = new Set<unknown>();
    const queries = [
      {},
      { resample: "year" },
      { timestamps: "iso" },
      { envelope: "true" },
      { tz: "Asia/Tokyo" },
      { sensors: "bme280.temperature,power.v", cells: `${other},${cell}` },
      { start: String(start + 6) },
    ];
    for (const more of queries) tags.add((await get({ ...query(), ...more })).headers.etag);
    expect(tags.size).toBe(queries.length);
    await updateCell(api.db, other, { visibility: "private" });
    tags.add((await get(query())).headers.etag);
    expect(tags.size).toBe(queries.length + 1);
    await updateCell(api.db, other, { visibility: "public" });
  });
});
