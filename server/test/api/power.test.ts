import { beforeEach, describe, expect, it } from "vitest";
import { createCell, getCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import {
  decimal,
  encodeVersion1,
  encodeVersion2,
  version2,
  type Version2,
} from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;
const voltageType = 1;
const currentType = 2;

let cellId = 0;
beforeEach(async () => {
  cellId = await newCell(api);
});

/** The cell's power, with instants in Unix seconds. */
async function readPower(query = "resample=none") {
  const answer = await api.get(`/api/power/${cellId}?startTime=0&timestamps=unix&${query}`);
  expect(answer.statusCode).toBe(200);
  return answer.json<Record<"timestamp" | "v" | "i" | "p", (number | null)[]>>();
}

async function uploadVersion1(at: number, voltage: number, current: number): Promise<void> {
  const message = encodeVersion1(
    { cellId, ts: at },
    { case: "power", value: { voltage, current } },
  );
  expect((await api.postBytes(message)).statusCode).toBe(200);
}

async function uploadVersion2(...measurements: (readonly [number, number, number])[]) {
  const message = measurements.map(([at, type, value]): Version2 => ({
    meta: { cellId, ts: at },
    type,
    value: decimal(value),
  }));
  expect((await api.postBytes(encodeVersion2(message), version2)).statusCode).toBe(200);
}

/** One half of power at the same three instants in each of some cells, in version 2. */
function across(type: number, cells: readonly number[]): Uint8Array {
  return encodeVersion2(
    cells.flatMap((cell) =>
      [0, 1, 2].map((at) => ({ meta: { cellId: cell, ts: ts + at }, type, value: decimal(10) })),
    ),
  );
}

/** The older form, with names. */
function named(cell: string, more: object = {}): object {
  return { type: "power", logger: "nobody's logger", cell, ts, v: 0.5, i: 0.00025, ...more };
}

describe("GET /api/power/{cell}", () => {
  it("answers mV, µA and µW, stamped as RFC 1123", async () => {
    await uploadVersion1(ts, 0.5, 0.00025);
    const answer = await api.get(`/api/power/${cellId}?resample=none`);
    expect(answer.json()).toEqual({
      timestamp: ["Mon, 15 Jan 2024 11:00:00 GMT"],
      v: [500],
      i: [250],
      p: [125],
    });
  });

  it("shows both versions as one series", async () => {
    await uploadVersion1(ts, 0.5, 0.00025);
    await uploadVersion2([ts + 1, voltageType, 400], [ts + 1, currentType, 100]);
    await api.postJson("/api/sensor_json/", {
      type: "power",
      cellId,
      ts: ts + 2,
      data: { voltage: 0.25, current: 0.0001 },
    });
    expect(await readPower()).toEqual({
      timestamp: [ts, ts + 1, ts + 2],
      v: [500, 400, 250],
      i: [250, 100, 100],
      p: [125, 40, 25],
    });
  });

  it("answers the mean of v·i, which is not the product of the means", async () => {
    await uploadVersion1(ts, 0.1, 0.0001);
    await uploadVersion1(ts + 1, 0.3, 0.0003);
    expect(await readPower("resample=hour")).toEqual({
      timestamp: [ts],
      v: [200],
      i: [200],
      p: [50],
    });
  });

  it.each([
    ["voltage first", [voltageType, currentType]],
    ["current first", [currentType, voltageType]],
  ])("brings together what comes apart: %s", async (_, order) => {
    for (const type of order) await uploadVersion2([ts, type, type === voltageType ? 400 : 50]);
    expect(await readPower()).toEqual({ timestamp: [ts], v: [400], i: [50], p: [20] });
  });

  it("has no power before the other half is there", async () => {
    await uploadVersion2([ts, voltageType, 400], [ts + 1, currentType, 50]);
    expect(await readPower()).toEqual({
      timestamp: [ts, ts + 1],
      v: [400, null],
      i: [null, 50],
      p: [null, null],
    });
  });

  it("brings together halves of different versions, newest first", async () => {
    await uploadVersion2([ts + 1, currentType, 50], [ts, currentType, 25]);
    const data = { Voltage: 400 };
    for (const at of [ts + 1, ts])
      await api.postJson("/api/sensor/", { type: "POWER_VOLTAGE", cellId, ts: at, data });
    expect(await readPower()).toMatchObject({ timestamp: [ts, ts + 1], p: [10, 20] });
  });

  it("keeps the power of the values that came first", async () => {
    await uploadVersion1(ts, 0.5, 0.00025);
    await uploadVersion1(ts, 0.75, 0.0005);
    expect(await readPower()).toEqual({ timestamp: [ts], v: [500], i: [250], p: [125] });
  });

  it("lists its two halves as sensors, and not the product", async () => {
    await uploadVersion1(ts, 0.5, 0.00025);
    const sensors = (await api.get(`/api/cell/${cellId}/sensors`)).json<{ name: string }[]>();
    expect(sensors.map(({ name }) => name)).toEqual(["POWER_VOLTAGE", "POWER_CURRENT"]);
  });

  it("streams by the time of arrival", async () => {
    const start = api.now;
    await uploadVersion1(ts + 60, 0.5, 0.00025);
    api.now += 5;
    await uploadVersion1(ts, 0.25, 0.0005);
    const read = await readPower("stream=true");
    expect(read).toEqual({
      timestamp: [start, start + 5],
      v: [500, 250],
      i: [250, 500],
      p: [125, 125],
    });
  });

  it("loses no power to voltages and currents that come at once", async () => {
    const instants = Array.from({ length: 25 }, (_, at) => ts + at);
    const uploads = instants.flatMap((at) => [
      uploadVersion2([at, voltageType, 400]),
      uploadVersion2([at, currentType, 50]),
    ]);
    await Promise.all(uploads);
    const all = <T>(value: T) => instants.map(() => value);
    expect(await readPower()).toEqual({ timestamp: instants, v: all(400), i: all(50), p: all(20) });
  });

  it("loses no power to messages that cross: the same instants, in opposite orders", async () => {
    const other = await newCell(api);
    const messages = Array.from({ length: 10 }, () => [
      across(voltageType, [cellId, other]),
      across(currentType, [other, cellId]),
    ]).flat();
    const answers = await Promise.all(
      messages.map(async (message) => await api.postBytes(message, version2)),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(messages.map(() => 200));
    expect((await readPower()).p).toEqual([0.1, 0.1, 0.1]);
  });
});

describe("POST /api/power", () => {
  it("stores what a cell's name stands for, in V and A, and answers what it got", async () => {
    const { name } = await getCell(api.db, cellId);
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postJson("/api/power/", named(` ${name.toUpperCase()} `));
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({
        ts: "2024-01-15T11:00:00",
        ts_server: new Date(api.now * 1000).toISOString().slice(0, 19),
        voltage: 0.5,
        current: 0.00025,
      });
    });
    expect(added).toEqual({ sensor: 3, reading: 3 });
    expect(await readPower()).toEqual({ timestamp: [ts], v: [500], i: [250], p: [125] });
  });

  it("takes a form", async () => {
    const { name } = await getCell(api.db, cellId);
    const payload = new URLSearchParams({ cell: name, ts: String(ts), v: "0.5", i: "2.5e-4" });
    const answer = await api.inject({
      method: "POST",
      url: "/api/power",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      payload: payload.toString(),
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ voltage: 0.5, current: 0.00025 });
    expect(await readPower()).toEqual({ timestamp: [ts], v: [500], i: [250], p: [125] });
  });

  it("keeps the number of a logger by its name", async () => {
    const cell = await createCell(api.db, { name: `by name ${cellId}`, uploadPolicy: "open" });
    const logger = await createLogger(api.db, { name: `Logger by name ${cellId}` });
    await api.postJson("/api/power/", named(cell.name, { logger: logger.name.toLowerCase() }));
    const loggers = await api.db
      .selectFrom("logger_sighting")
      .select("logger_id")
      .where("cell_id", "=", cell.id)
      .execute();
    expect(loggers).toEqual([{ logger_id: logger.id }]);
  });

  it.each([
    ["an unknown cell", { cell: "nowhere at all" }, 'there is no cell "nowhere at all"'],
    ["no voltage", { v: undefined }, "v is missing"],
    ["a word for a current", { i: "much" }, "i must be number"],
    ["no time", { ts: null }, "ts is missing"],
  ])("refuses %s, creates nothing and keeps the upload", async (_, fault, message) => {
    const { name } = await getCell(api.db, cellId);
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postJson("/api/power/", named(name, fault));
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ message, detail: message });
    });
    expect(added).toEqual({ quarantine: 1 });
  });
});
