import { sensorTypes } from "@ents-backend/schemas/sensor";
import { describe, expect, it } from "vitest";
import { newCell, readSensor } from "../support/cells.ts";
import { useApi } from "../support/api.ts";
import {
  decimal,
  decodeVerdicts,
  encodeVersion1,
  encodeVersion2,
  version2,
} from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";
import { measurements, plainMeasurements } from "../fixtures/measurements.ts";

const api = useApi();
const ts = 1_705_316_400;

describe("a version-1 upload", () => {
  it.each(measurements)("stores $type in protobuf", async ({ type, wire, readings }) => {
    const cellId = await newCell(api);
    const message = encodeVersion1({ cellId, loggerId: 1, ts }, wire);
    const answer = await api.postBytes(message);
    expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(await everything(cellId)).toEqual(readings.map((reading) => [...reading, ts]));
    expect(type).toBe(wire.case);
  });

  it.each([...measurements, ...plainMeasurements])(
    "stores $type in plain JSON",
    async (measurement) => {
      const { type, json, readings } = measurement;
      const cellId = await newCell(api);
      const answer = await api.postJson("/api/sensor/", {
        type,
        cellId,
        loggerId: 1,
        ts,
        data: json,
      });
      expect([answer.statusCode, answer.body]).toEqual([200, ""]);
      expect(await everything(cellId)).toEqual(readings.map((reading) => [...reading, ts]));
    },
  );

  it("takes fields that are not there for zeros", async () => {
    const cellId = await newCell(api);
    await api.postBytes(encodeVersion1({ cellId, ts }, { case: "bme280", value: {} }));
    expect(await everything(cellId)).toEqual([
      ["bme280", "pressure", "hPa", "float", 0, ts],
      ["bme280", "temperature", "C", "float", 0, ts],
      ["bme280", "humidity", "%", "float", 0, ts],
    ]);
  });

  it("skips fields that it does not know", async () => {
    const cellId = await newCell(api);
    const message = encodeVersion1({ cellId, ts }, { case: "yfs210c", value: { flow: 2.5 } });
    const answer = await api.postBytes(
      Buffer.concat([message, Buffer.from("9a0603616263", "hex")]),
    );
    expect(answer.statusCode).toBe(200);
    expect(await everything(cellId)).toEqual([["yfs210c", "flow", "L/Min", "float", 2.5, ts]]);
  });
});

describe("a version-2 upload", () => {
  it("knows the 32 types of the hardware by number, and each number and name once", () => {
    const numbers = sensorTypes.map(({ number }) => number);
    expect(numbers).toEqual(
      expect.arrayContaining(Array.from({ length: 32 }, (_, index) => index + 1)),
    );
    expect(new Set(numbers).size).toBe(sensorTypes.length);
    expect(new Set(sensorTypes.map(({ name }) => name)).size).toBe(sensorTypes.length);
  });

  it.each(sensorTypes)("stores $name", async ({ number, name, measurement, unit }) => {
    const cellId = await newCell(api);
    const meta = { cellId, loggerId: 1, ts };
    const value = number + 0.25;
    const message = encodeVersion2([{ meta, type: number, value: decimal(value), idx: number }]);
    const answer = await api.postBytes(message, version2);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(decodeVerdicts(answer.rawPayload)).toEqual([[number, 0]]);
    expect(await everything(cellId)).toEqual([[name, measurement, unit, "float", value, ts]]);
  });

  it.each([
    ["unsignedInt", 0, "int"],
    ["unsignedInt", 2 ** 32 - 1, "int"],
    ["signedInt", -(2 ** 31), "int"],
    ["signedInt", 2 ** 31 - 1, "int"],
    ["decimal", 7, "float"],
    ["decimal", -5e-324, "float"],
  ] as const)("stores %s %d as %s", async (kind, value, type) => {
    const cellId = await newCell(api);
    const measurement = { meta: { cellId, ts }, type: 13, value: { case: kind, value } };
    await api.postBytes(encodeVersion2([measurement]), version2);
    expect(await everything(cellId)).toEqual([
      ["TEROS21_TEMP", "Temperature", "C", type, value, ts],
    ]);
  });

  it("turns whole numbers into decimals with the first decimal that comes, for good", async () => {
    const cellId = await newCell(api);
    const upload = async (offset: number, value: Parameters<typeof send>[2]) =>
      await send(cellId, ts + offset, value);
    await upload(0, { case: "unsignedInt", value: 5 });
    await upload(1, { case: "decimal", value: 5.5 });
    await upload(2, { case: "signedInt", value: -6 });
    const { data, type } = await readSensor(api, cellId, ["TEROS21_TEMP", "Temperature"]);
    expect([data, type]).toEqual([[5, 5.5, -6], "float"]);
  });

  it("gives the meta and the type of the message to measurements without their own", async () => {
    const [outer, inner] = [await newCell(api), await newCell(api)];
    const message = encodeVersion2(
      [
        { value: decimal(1.5) },
        { value: decimal(2.5), type: 11, idx: 1 },
        { value: decimal(3.5), meta: { cellId: inner, ts: ts + 9 }, idx: 2 },
      ],
      { meta: { cellId: outer, loggerId: 1, ts }, type: 10 },
    );
    const answer = await api.postBytes(message, version2);
    expect(decodeVerdicts(answer.rawPayload)).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(await everything(outer)).toEqual([
      ["BME280_TEMP", "Temperature", "C", "float", 1.5, ts],
      ["BME280_HUMIDITY", "Humidity", "%", "float", 2.5, ts],
    ]);
    expect(await everything(inner)).toEqual([
      ["BME280_TEMP", "Temperature", "C", "float", 3.5, ts + 9],
    ]);
  });

  it("is known by its bytes where the header is lost", async () => {
    const cellId = await newCell(api);
    const message = encodeVersion2([{ meta: { cellId, ts }, type: 10, value: decimal(8.5) }]);
    const answer = await api.postBytes(message);
    expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    expect(await everything(cellId)).toHaveLength(1);
  });

  it("answers within 222 bytes, whatever the number of its measurements", async () => {
    const cellId = await newCell(api);
    const many = Array.from({ length: 300 }, (_, idx) => ({
      meta: { cellId, loggerId: 1, ts: ts + idx },
      type: 10,
      value: decimal(idx),
      idx,
    }));
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postBytes(encodeVersion2(many), version2);
      expect([answer.statusCode, answer.rawPayload.length]).toEqual([200, 0]);
    });
    expect(added).toEqual({ reading: 300, sensor: 1, logger_sighting: 1 });
  });
});

type Value = { case: "unsignedInt" | "signedInt" | "decimal"; value: number };

async function send(cellId: number, at: number, value: Value): Promise<void> {
  const message = encodeVersion2([{ meta: { cellId, ts: at }, type: 13, value }]);
  expect((await api.postBytes(message, version2)).statusCode).toBe(200);
}

/** Every stream of a cell with its one reading, as `/sensor` answers them. */
async function everything(cellId: number): Promise<unknown[][]> {
  const sensors = (await api.get(`/api/cell/${cellId}/sensors`)).json<
    { name: string; measurement: string; unit: string; data_type: string }[]
  >();
  return await Promise.all(
    sensors.map(async ({ name, measurement, unit, data_type }) => {
      const read = await readSensor(api, cellId, [name, measurement]);
      expect([read.measurement, read.unit, read.type]).toEqual([measurement, unit, data_type]);
      return [name, measurement, unit, data_type, ...read.data, ...read.timestamp];
    }),
  );
}
