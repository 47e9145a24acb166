import { beforeEach, describe, expect, it } from "vitest";
import { createLogger, listUnregisteredLoggers } from "../../src/store/loggers.ts";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { decimal, encodeVersion1, encodeVersion2, version2 } from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;
const temperature = ["BME280_TEMP", "Temperature"] as const;
const vwc = ["TEROS12_VWC_ADJ", "Volumetric Water Content"] as const;

let cellId = 0;
let unused = 1_000_000;
beforeEach(async () => {
  cellId = await newCell(api);
  unused += 1;
});

/** Uploads one decimal in version 2; answers the status. */
async function upload(value: number, { at = ts, type = 10, loggerId = unused } = {}) {
  const message = [{ meta: { cellId, loggerId, ts: at }, type, value: decimal(value) }];
  return (await api.postBytes(encodeVersion2(message), version2)).statusCode;
}

describe("a reading that comes again", () => {
  it("is one row, and both uploads are told 200", async () => {
    const added = await rowsAdded(api.db, async () => {
      expect([await upload(1.5), await upload(1.5)]).toEqual([200, 200]);
    });
    expect(added).toEqual({ reading: 1, sensor: 1, logger_sighting: 1 });
  });

  it("is one row if it stands twice in one message", async () => {
    const twice = [1, 2].map((idx) => ({
      meta: { cellId, ts },
      type: 10,
      value: decimal(1.5),
      idx,
    }));
    const added = await rowsAdded(api.db, async () => {
      expect((await api.postBytes(encodeVersion2(twice), version2)).statusCode).toBe(200);
    });
    expect(added).toEqual({ reading: 1, sensor: 1, logger_sighting: 1 });
  });

  it("keeps its first value, and the other one beside it", async () => {
    await upload(1.5);
    const added = await rowsAdded(api.db, async () => {
      expect([await upload(2.5), await upload(2.5), await upload(1.5)]).toEqual([200, 200, 200]);
    });
    expect(added).toEqual({ reading_conflict: 1 });
    expect((await readSensor(api, cellId, temperature)).data).toEqual([1.5]);
    const kept = await api.db
      .selectFrom("reading_conflict")
      .innerJoin("sensor", "sensor.id", "sensor_id")
      .select(["value", "ts", "logger_id"])
      .where("cell_id", "=", cellId)
      .execute();
    expect(kept).toEqual([{ value: 2.5, ts: new Date(ts * 1000), logger_id: unused }]);
  });

  it("is another reading a second later", async () => {
    await upload(1.5);
    await upload(1.5, { at: ts + 1 });
    expect((await readSensor(api, cellId, temperature)).timestamp).toEqual([ts, ts + 1]);
  });
});

describe("a logger that nobody registered", () => {
  it("may write: its number is kept with the readings, and it shows up as unregistered", async () => {
    expect(await upload(1.5)).toBe(200);
    const reading = await api.db
      .selectFrom("reading")
      .innerJoin("sensor", "sensor.id", "sensor_id")
      .select("logger_id")
      .where("cell_id", "=", cellId)
      .execute();
    expect(reading).toEqual([{ logger_id: unused }]);
    const sightings = await listUnregisteredLoggers(api.db);
    expect(sightings.filter(({ id }) => id === unused)).toEqual([
      { id: unused, cellIds: [cellId], firstSeen: new Date(api.now * 1000) },
    ]);
  });

  it("may have the largest number that fits the wire", async () => {
    expect(await upload(1.5, { loggerId: 2 ** 32 - 1 })).toBe(200);
  });

  it("no longer shows up once it is registered", async () => {
    const { id } = await createLogger(api.db, { name: `logger of cell ${cellId}` });
    await upload(1.5, { loggerId: id });
    const sightings = await listUnregisteredLoggers(api.db);
    expect(sightings.map((sighting) => sighting.id)).not.toContain(id);
  });

  it("shares a cell with others", async () => {
    await upload(1, { loggerId: unused });
    await upload(2, { loggerId: unused + 500_000, at: ts + 1 });
    expect((await readSensor(api, cellId, temperature)).data).toEqual([1, 2]);
  });
});

describe("a probe that is not plugged in", () => {
  it.each([NaN, Infinity, -Infinity])("sends %d: a reading without a value", async (value) => {
    expect(await upload(value)).toBe(200);
    expect(await readSensor(api, cellId, temperature)).toMatchObject({
      timestamp: [ts],
      data: [null],
    });
  });

  it("is left out of averages", async () => {
    await upload(NaN);
    await upload(3, { at: ts + 1 });
    await upload(4, { at: ts + 2 });
    const { data } = await readSensor(api, cellId, temperature, { resample: "hour" });
    expect(data).toEqual([3.5]);
  });

  it("averages to nothing where it is all there is", async () => {
    await upload(Infinity);
    const { data } = await readSensor(api, cellId, temperature, { resample: "day" });
    expect(data).toEqual([null]);
  });

  it("sends the same nothing again: one row, no conflict", async () => {
    await upload(NaN);
    expect(await rowsAdded(api.db, async () => await upload(-Infinity))).toEqual({});
  });

  it("leaves power without a value, and the other half with its own", async () => {
    const value = { voltage: 0.5, current: NaN };
    await api.postBytes(encodeVersion1({ cellId, ts }, { case: "power", value }));
    const answer = await api.get(`/api/power/${cellId}?resample=none&startTime=0`);
    expect(answer.json()).toMatchObject({ v: [500], i: [null], p: [null] });
  });

  it("does not halt version 1", async () => {
    const value = { vwcRaw: NaN, vwcAdj: NaN, temp: NaN, ec: 0 };
    await api.postBytes(encodeVersion1({ cellId, ts }, { case: "teros12", value }));
    const answer = await api.get(`/api/teros/${cellId}?resample=none&startTime=0`);
    expect(answer.json()).toMatchObject({ vwc: [null], temp: [null], ec: [0], raw_vwc: [null] });
  });
});

describe("a clock that is wrong", () => {
  it.each([
    ["was never set", 0],
    ["starts at 2000", 946_684_800],
    ["runs far ahead", 2 ** 32 - 1],
  ])("that %s loses no reading", async (_, at) => {
    expect(await upload(1.5, { at })).toBe(200);
    const read = await readSensor(api, cellId, temperature, { endTime: String(2 ** 32) });
    expect(read).toMatchObject({ timestamp: [at], data: [1.5] });
  });

  it("stands beside the server's, which orders and stamps a stream", async () => {
    const start = api.now;
    for (const [index, at] of [ts + 50, 0, ts].entries()) {
      api.now = start + index * 10;
      await upload(index, { at });
    }
    const window = { stream: "true", startTime: String(start), endTime: String(start + 10) };
    expect(await readSensor(api, cellId, temperature, window)).toMatchObject({
      timestamp: [start, start + 10],
      data: [0, 1],
    });
    const all = await readSensor(api, cellId, temperature, { stream: "true" });
    expect(all).toMatchObject({ timestamp: [start, start + 10, start + 20], data: [0, 1, 2] });
    const byDevice = await readSensor(api, cellId, temperature);
    expect(byDevice).toMatchObject({ timestamp: [0, ts, ts + 50], data: [1, 2, 0] });
  });

  it("keeps the receive time of the first of two repeats", async () => {
    const first = api.now;
    await upload(1.5);
    api.now += 60;
    await upload(1.5);
    const { timestamp } = await readSensor(api, cellId, temperature, { stream: "true" });
    expect(timestamp).toEqual([first]);
  });
});

describe("volumetric water content", () => {
  it.each([
    [0.34, 34],
    [1, 100],
    [1.001, 1.001],
    [34.4, 34.4],
    [0, 0],
    [-1.3, -1.3],
  ])(
    "of %d is stored as %d percent where nobody said what the logger sends",
    async (sent, stored) => {
      await upload(sent, { type: 4 });
      expect((await readSensor(api, cellId, vwc)).data[0]).toBeCloseTo(stored, 9);
    },
  );

  it.each([
    ["fraction", 0.005, 0.5],
    ["fraction", 1.2, 120],
    ["fraction", -1.3, -130],
    ["percent", 0.5, 0.5],
    ["percent", 34.4, 34.4],
  ] as const)("of a logger set to %s: %d is %d percent", async (vwcUnit, sent, stored) => {
    const { id } = await createLogger(api.db, { name: `sends ${vwcUnit} ${cellId}`, vwcUnit });
    await upload(sent, { type: 4, loggerId: id });
    expect((await readSensor(api, cellId, vwc)).data[0]).toBeCloseTo(stored, 9);
  });

  it("is raw where the sensor says so", async () => {
    await upload(0.5, { type: 3 });
    const raw = await readSensor(api, cellId, ["TEROS12_VWC", "Volumetric Water Content (Raw)"]);
    expect(raw.data).toEqual([0.5]);
  });
});
