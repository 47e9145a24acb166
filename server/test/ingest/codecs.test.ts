import { describe, expect, it } from "vitest";
import { codecs, type Format } from "../../src/ingest/codecs/codecs.ts";
import { Refusal, SensorError } from "../../src/ingest/refusal.ts";
import type { Measurement } from "../../src/ingest/uplink.ts";
import {
  base64,
  decimal,
  encodeVersion2,
  unknownSensorType,
  webhook,
} from "../support/messages.ts";

/** A value as `name measurement unit data_type value`. */
type Row = readonly [stream: string, type: "int" | "float", value: number];

/** A measurement of a type that nobody knows yet. */
const ofTheFuture = Buffer.from(
  encodeVersion2([{ type: unknownSensorType, value: decimal(1), idx: 7 }]),
).toString("hex");

/** Cell 3, logger 9, 2024-01-15T11:10:00Z. */
const meta = "0a0a080310091888a594ad06";
const origin = { cell: { id: 3 }, logger: { id: 9 }, ts: 1_705_317_000 };

describe("measurement/v1", () => {
  it("reads the power sample that the hardware publishes", () => {
    const hex = "0a0a0804100718f0abe3ac051212110000000000c0a240190000000000005940";
    expect(decode("measurement/v1", hex)).toEqual([
      {
        cell: { id: 4 },
        logger: { id: 7 },
        ts: 1_436_079_600,
        idx: 0,
        values: values([
          ["POWER_VOLTAGE Voltage mV", "float", 2_400_000],
          ["POWER_CURRENT Current uA", "float", 100_000_000],
        ]),
      },
    ]);
  });

  it("reads the TEROS-12 sample that the hardware publishes, whose cell and logger are zero", () => {
    const hex = "0a0618f0abe3ac051a1d111f85eb51b8a19c401933333333333341402133333333333338402802";
    expect(decode("measurement/v1", hex)).toEqual([
      {
        cell: { id: 0 },
        logger: { id: 0 },
        ts: 1_436_079_600,
        idx: 0,
        values: values([
          ["TEROS12_VWC Volumetric Water Content (Raw) raw", "float", 1832.43],
          ["TEROS12_VWC_ADJ Volumetric Water Content %", "float", 34.4],
          ["TEROS12_TEMP Temperature C", "float", 24.2],
          ["TEROS12_EC Electrical Conductivity uS/cm", "int", 2],
        ]),
      },
    ]);
  });

  const recorded: [type: string, hex: string, rows: Row[]][] = [
    [
      "power",
      "121211333333333333eb3f19691d554d10751f3f",
      [
        ["POWER_VOLTAGE Voltage mV", "float", 850],
        ["POWER_CURRENT Current uA", "float", 120],
      ],
    ],
    [
      "teros12",
      "1a1d110ad7a3703d99a0401985eb51b81e85db3f21cdcccccccccc3840287b",
      [
        ["TEROS12_VWC Volumetric Water Content (Raw) raw", "float", 2124.62],
        ["TEROS12_VWC_ADJ Volumetric Water Content %", "float", 0.43],
        ["TEROS12_TEMP Temperature C", "float", 24.8],
        ["TEROS12_EC Electrical Conductivity uS/cm", "int", 123],
      ],
    ],
    [
      "phytos31",
      "2212099a9999999999d93f119a9999999999b93f",
      [
        ["phytos31 voltage V", "float", 0.4],
        ["phytos31 leafWetness ?", "float", 0.1],
      ],
    ],
    [
      "bme280, below zero",
      "2a1208944f10f3fbffffffffffffff0118e2fd03",
      [
        ["bme280 pressure hPa", "float", 1013.2],
        ["bme280 temperature C", "float", -5.25],
        ["bme280 humidity %", "float", 65.25],
      ],
    ],
    [
      "teros21",
      "32120900000000006059c0110000000000803640",
      [
        ["teros21 matricPot kPa", "float", -101.5],
        ["teros21 temp C", "float", 22.5],
      ],
    ],
    [
      "sen0308",
      "3a1209000000000000f83f110000000000805140",
      [
        ["sen0308 voltage V", "float", 1.5],
        ["sen0308 humidity %", "float", 70],
      ],
    ],
    [
      "sen0257",
      "421209000000000000e03f110000000000105e40",
      [
        ["sen0257 pressure kPa", "float", 120.25],
        ["sen0257 voltage V", "float", 0.5],
      ],
    ],
    ["yfs210c", "4a09090000000000000c40", [["yfs210c flow L/Min", "float", 3.5]]],
    ["pcap02", "5209093a8c30e28e79153e", [["pcap02 Capacitance Farads", "float", 1.25e-9]]],
    [
      "d10",
      "5a0e090000000000000440102818c007",
      [
        ["d10 flow G/Min", "float", 2.5],
        ["d10 volumeElapsed gal", "int", 40],
        ["d10 timeElapsed s", "int", 960],
      ],
    ],
    [
      "watermark200ss",
      "6209090000000000c04040",
      [["watermark200ss soilTension kPa", "float", 33.5]],
    ],
    [
      "watermark200ts",
      "6a09090000000000403240",
      [["watermark200ts temperature C", "float", 18.25]],
    ],
    [
      "edu0157",
      "7230090000000000001240108e021900000000000029402100000000008c8f40290000000000000cc0310000000000405440",
      [
        ["edu0157 windSpeed m/s", "float", 4.5],
        ["edu0157 windDirection degrees E of N", "int", 270],
        ["edu0157 altitude m", "float", 12.5],
        ["edu0157 pressure hPa", "float", 1009.5],
        ["edu0157 temperature C", "float", -3.5],
        ["edu0157 humidity %", "float", 81],
      ],
    ],
    [
      "waterLevel",
      "7a1209000000000000fc3f111f85eb51b81ee53f",
      [
        ["waterLevel meters m", "float", 1.75],
        ["waterLevel voltage V", "float", 0.66],
      ],
    ],
    [
      "power that is all zero, and so not on the wire",
      "1200",
      [
        ["POWER_VOLTAGE Voltage mV", "float", 0],
        ["POWER_CURRENT Current uA", "float", 0],
      ],
    ],
    [
      "power of a probe that isn't plugged in",
      "121211000000000000f87f19000000000000f07f",
      [
        ["POWER_VOLTAGE Voltage mV", "float", Number.NaN],
        ["POWER_CURRENT Current uA", "float", Number.POSITIVE_INFINITY],
      ],
    ],
    [
      "power with fields of the future",
      "121a11333333333333eb3f19691d554d10751f3f4a036e6577e012079a0606667574757265",
      [
        ["POWER_VOLTAGE Voltage mV", "float", 850],
        ["POWER_CURRENT Current uA", "float", 120],
      ],
    ],
  ];

  it.each(recorded)("reads %s", (_, hex, rows) => {
    expect(decode("measurement/v1", meta + hex)).toEqual([
      { ...origin, idx: 0, values: values(rows) },
    ]);
  });

  it.each([
    ["bytes that are no message", "ffff", "undecodable"],
    ["a message that is cut short", `${meta}1212113333`, "undecodable"],
    ["a field of another wire type", `${meta}12021000`, "undecodable"],
    ["nothing", "", "invalid_measurement"],
    ["a message without meta", "1200", "invalid_measurement"],
    ["a message without a measurement", meta, "invalid_measurement"],
    ["a measurement of the future", `${meta}8201090900000000000018c0`, "invalid_measurement"],
  ])("refuses %s", (_, hex, code) => {
    expect(refusal("measurement/v1", Buffer.from(hex, "hex")).code).toBe(code);
  });
});

describe("measurement/v2", () => {
  it("reads integers, negative ones and decimals, with the message's meta", () => {
    const hex = `${meta}1a0b1001290000000000948a401a061006187b30011a0f100a20f9ffffffffffffffff013002`;
    expect(decode("measurement/v2", hex)).toEqual([
      { ...origin, idx: 0, values: values([["POWER_VOLTAGE Voltage mV", "float", 850.5]]) },
      {
        ...origin,
        idx: 1,
        values: values([["TEROS12_EC Electrical Conductivity uS/cm", "int", 123]]),
      },
      { ...origin, idx: 2, values: values([["BME280_TEMP Temperature C", "int", -7]]) },
    ]);
  });

  it("prefers a measurement's own meta and type to the message's", () => {
    const ownMeta =
      "1a1b0a08080418e0a994ad06101f29000000000000f83f30ffffffff0f1a0b102029000000000000d03f";
    expect(decode("measurement/v2", meta + ownMeta)).toEqual([
      {
        cell: { id: 4 },
        logger: { id: 0 },
        ts: 1_705_317_600,
        idx: 4_294_967_295,
        values: values([["ALSMPM2F_WATER_LEVEL Water Level m", "float", 1.5]]),
      },
      { ...origin, idx: 0, values: values([["ALSMPM2F_VOLTAGE Voltage V", "float", 0.25]]) },
    ]);
    const outerType = "10051a092900000000008035401a0d100d2900000000008034403001";
    expect(decode("measurement/v2", meta + outerType)).toEqual([
      { ...origin, idx: 0, values: values([["TEROS12_TEMP Temperature C", "float", 21.5]]) },
      { ...origin, idx: 1, values: values([["TEROS21_TEMP Temperature C", "float", 20.5]]) },
    ]);
  });

  it("reads a zero that stands on the wire, and skips fields of the future", () => {
    expect(decode("measurement/v2", `${meta}1a0410151800`)).toEqual([
      { ...origin, idx: 0, values: values([["D10_VOLUME_ELAPSED Volume Elapsed gal", "int", 0]]) },
    ]);
    const future = `${meta}1a141001290000000000948a407a0178850161626364e80401`;
    expect(decode("measurement/v2", future)).toEqual([
      { ...origin, idx: 0, values: values([["POWER_VOLTAGE Voltage mV", "float", 850.5]]) },
    ]);
  });

  it("is known under version 1 by its bytes", () => {
    const hex = `${meta}1a0b1001290000000000948a40`;
    expect(decode("measurement/v1", hex)).toEqual(decode("measurement/v2", hex));
  });

  it.each([
    ["nothing", "", [[0, SensorError.invalid]]],
    ["bytes that are no message", "ffff", [[0, SensorError.decode]]],
    ["no measurements", meta, [[0, SensorError.invalid]]],
    ["a measurement without meta", "1a0b100129000000000000f03f", [[0, SensorError.invalid]]],
    ["a measurement without a type", `${meta}1a0929000000000000f03f`, [[0, SensorError.invalid]]],
    ["a measurement without a value", `${meta}1a021001`, [[0, SensorError.invalid]]],
    [
      "a type of the future, which alone is at fault",
      `${meta}1a0b100129000000000000f03f${ofTheFuture}`,
      [
        [0, SensorError.ok],
        [7, SensorError.unsupported],
      ],
    ],
    [
      "a version-1 message",
      `${meta}121211333333333333eb3f19691d554d10751f3f`,
      [[0, SensorError.decode]],
    ],
    [
      "a version-1 TEROS-12 message, whose field has the number of the measurements",
      `${meta}1a1d110ad7a3703d99a0401985eb51b81e85db3f21cdcccccccccc3840287b`,
      [[0, SensorError.decode]],
    ],
    ["a version-1 TEROS-12 message that is all zero", `${meta}1a00`, [[0, SensorError.invalid]]],
  ])("refuses %s", (_, hex, verdicts) => {
    const refused = refusal("measurement/v2", Buffer.from(hex, "hex"));
    expect(refused.verdicts.map(({ idx, error }) => [idx, error])).toEqual(verdicts);
  });

  it("refuses more measurements than it would store at once", () => {
    const message = Buffer.concat(Array.from({ length: 4097 }, () => Buffer.from("1a00", "hex")));
    expect(refusal("measurement/v2", message).message).toContain("more than 4096 measurements");
  });
});

describe("json", () => {
  it("reads a plain measurement of a known type, by field or by measurement", () => {
    for (const key of ["capacitance", "Capacitance"])
      expect(
        decodeJson({ type: "pcap02", cellId: 3, loggerId: 9, ts: origin.ts, data: { [key]: 2 } }),
      ).toEqual([
        { ...origin, idx: 0, values: values([["pcap02 Capacitance Farads", "float", 2]]) },
      ]);
  });

  it("reads a plain measurement of a type that nobody has described, a stream for each key", () => {
    const body = { type: "lux", cellId: 3, ts: 0, data: { sun: 3, "☂ shade": 1.5 } };
    expect(decodeJson(body)).toEqual([
      {
        cell: { id: 3 },
        logger: undefined,
        ts: 0,
        idx: 0,
        values: values([
          ["lux sun ", "int", 3],
          ["lux ☂ shade ", "float", 1.5],
        ]),
      },
    ]);
  });

  it("reads a webhook's payload by its port, padded or not", () => {
    const v1 = "121211333333333333eb3f19691d554d10751f3f";
    const v2 = "1a0b1001290000000000948a40";
    for (const [f_port, hex, format] of [
      [1, v1, "measurement/v1"],
      [2, v2, "measurement/v2"],
    ] as const) {
      const payload = base64(Buffer.from(meta + hex, "hex"));
      for (const frm_payload of [payload, payload.replace(/=+$/, "")])
        expect(decodeJson(webhook({ f_port, frm_payload }))).toEqual(decode(format, meta + hex));
    }
  });

  it("reads what the network made of a payload, at the time when it arrived", () => {
    const decoded_payload = { type: "yfs210c", cellId: 3, loggerId: 9, data: { flow: 3.5 } };
    expect(decodeJson(webhook({ decoded_payload }))).toEqual([
      {
        ...origin,
        ts: 1_705_320_000,
        idx: 0,
        values: values([["yfs210c flow L/Min", "float", 3.5]]),
      },
    ]);
    const withTime = { ...decoded_payload, ts: origin.ts };
    expect(decodeJson(webhook({ decoded_payload: withTime }))).toMatchObject([{ ts: origin.ts }]);
  });

  it.each([
    ["a clock synchronisation", webhook({ f_port: 202, frm_payload: "AA==" })],
    ["an uplink without a port", webhook({})],
    ["a join accept", { end_device_ids: { device_id: "plot-7" }, join_accept: {} }],
  ])("finds nothing to store in %s", (_, body) => {
    expect(codecs.json(Buffer.from(JSON.stringify(body)))).toEqual({ ignored: expect.any(String) });
  });

  const plain = { type: "lux", cellId: 3, ts: 0, data: { sun: 3 } };

  it.each([
    ["a key that is missing", { ...plain, type: "bme280" }, "data.pressure is missing"],
    ["a value that is no number", { ...plain, data: { sun: "3" } }, "data.sun must be a number"],
    ["a value that is null", { ...plain, data: { sun: null } }, "data.sun must be a number"],
    ["no data", { ...plain, data: {} }, "data is empty"],
    ["no cell", { ...plain, cellId: undefined }, "cellId is missing"],
    ["a cell past 32 bits", { ...plain, cellId: 2 ** 32 }, "cellId must be <= 4294967295"],
    ["a cell that is no whole number", { ...plain, cellId: 1.5 }, "cellId must be integer"],
    ["a time in milliseconds", { ...plain, ts: 1_705_317_000_000 }, "ts must be <= 253402300799"],
    ["a negative time", { ...plain, ts: -1 }, "ts must be >= 0"],
    ["a NUL in the type", { ...plain, type: "lux\0" }, "type has characters that it can't have"],
    [
      "half a surrogate pair in the type",
      { ...plain, type: "lux\ud800" },
      "type has characters that it can't have",
    ],
    [
      "a NUL in a key",
      { ...plain, data: { "a\0": 1 } },
      "a key of data has characters that it can't have",
    ],
    [
      "half a surrogate pair in a key",
      { ...plain, data: { "\udc00": 1 } },
      "a key of data has characters that it can't have",
    ],
    [
      "an endless key",
      { ...plain, data: { ["k".repeat(101)]: "x" } },
      "a key of data must not have more than 100",
    ],
    [
      "too many keys",
      { ...plain, data: Object.fromEntries(Array.from({ length: 65 }, (_k, at) => [at, at])) },
      "data must not have more than 64",
    ],
    ["an unknown port", webhook({ f_port: 3, frm_payload: "" }), "f_port not recognized: 3"],
    ["a port of another type", webhook({ f_port: "1" }), "uplink_message.f_port must be integer"],
    ["a payload that isn't base64", webhook({ f_port: 1, frm_payload: "CgoI*" }), "not base64"],
    ["base64 for addresses", webhook({ f_port: 1, frm_payload: "Cg-_" }), "not base64"],
    ["base64 that is cut short", webhook({ f_port: 1, frm_payload: "CgoIA" }), "not base64"],
    ["base64 with a padding too much", webhook({ f_port: 1, frm_payload: "CgoI=" }), "not base64"],
    ["a payload that is missing", webhook({ f_port: 1 }), "the message has no meta"],
    ["a list", [], "the body must be object"],
    ["null", null, "the body must be object"],
  ])("refuses %s", (_, body, why) => {
    expect(refusal("json", Buffer.from(JSON.stringify(body))).message).toContain(why);
  });

  it("takes a body with a byte order mark, and none that isn't UTF-8", () => {
    const body = Buffer.from(JSON.stringify(plain));
    const marked = Buffer.concat([Buffer.from("efbbbf", "hex"), body]);
    expect(codecs.json(marked)).toEqual(codecs.json(body));
    for (const bytes of ["ff", "c0af", "eda080", "f4908080", "efbb"])
      expect(refusal("json", Buffer.concat([Buffer.from(bytes, "hex"), body])).code).toBe(
        "undecodable",
      );
  });

  it("stores a number past all doubles as a reading without a value", () => {
    const body = '{"type":"lux","cellId":3,"ts":0,"data":{"sun":1e999}}';
    expect(codecs.json(Buffer.from(body))).toMatchObject({
      measurements: [{ values: [{ value: Number.POSITIVE_INFINITY }] }],
    });
  });
});

describe("the forms by names", () => {
  const power = values([
    ["POWER_VOLTAGE Voltage mV", "float", 850],
    ["POWER_CURRENT Current uA", "float", 120],
  ]);
  const teros = values([
    ["TEROS12_VWC Volumetric Water Content (Raw) raw", "float", 2124.62],
    ["TEROS12_VWC_ADJ Volumetric Water Content %", "float", 0.43],
    ["TEROS12_TEMP Temperature C", "float", 24.8],
    ["TEROS12_EC Electrical Conductivity uS/cm", "int", 123],
    ["teros12 waterPot kPa", "float", -7.5],
  ]);

  const recorded: [Format, body: string, rows: readonly object[]][] = [
    [
      "power/json",
      '{"type":"power","logger":" l ","cell":" Süd ","ts":7,"v":0.85,"i":0.00012}',
      power,
    ],
    ["power/form", "type=power&logger=l&cell=S%C3%BCd&ts=7&v=0.85&i=1.2e-4", power],
    [
      "teros/json",
      '{"type":"teros12","logger":"l","cell":"Süd","ts":7,"vwc":0.43,"raw_vwc":2124.62,"temp":24.8,"ec":123,"water_pot":-7.5}',
      teros,
    ],
    [
      "teros/form",
      "logger=l&cell=S%C3%BCd&ts=7&vwc=0.43&raw_vwc=2124.62&temp=24.8&ec=123&water_pot=-7.5",
      teros,
    ],
    [
      "teros/json",
      '{"logger":"l","cell":"Süd","ts":7,"vwc":0.43,"raw_vwc":null,"temp":24.8,"ec":123,"water_pot":null}',
      teros.slice(1, 4),
    ],
    ["teros/form", "logger=l&cell=Süd&ts=7&vwc=0.43&raw_vwc=&temp=24.8&ec=123", teros.slice(1, 4)],
  ];

  it.each(recorded)("%s reads %s", (format, body, rows) => {
    const measurement = {
      cell: { name: "Süd" },
      logger: { name: "l" },
      ts: 7,
      idx: 0,
      values: rows,
    };
    expect(codecs[format](Buffer.from(body))).toEqual({ measurements: [measurement] });
  });

  it.each<[Format, body: string, why: string]>([
    ["power/json", '{"cell":"a","ts":7,"v":1}', "i is missing"],
    ["power/json", '{"cell":"a","ts":7,"v":1,"i":null}', "i is missing"],
    ["power/json", '{"cell":"a","ts":7,"v":1,"i":"1"}', "i must be number"],
    ["power/json", '{"cell":"a","ts":7,"v":1,"i":1e999}', "i must be number"],
    [
      "power/json",
      '{"cell":"a\\u0000","ts":7,"v":1,"i":1}',
      "cell has characters that it can't have",
    ],
    ["power/json", "[1]", "the body must be object"],
    ["power/form", "cell=a&ts=7&v=1&i=x", "i must be number"],
    ["power/form", "cell=a&ts=soon&v=1&i=1", "ts must be number"],
    ["power/form", "cell=+&ts=7&v=1&i=1", "cell is missing"],
    ["power/form", "cell=%00&ts=7&v=1&i=1", "cell has characters that it can't have"],
    ["teros/json", '{"cell":"a","ts":7,"vwc":1,"temp":1}', "ec is missing"],
    ["teros/form", "", "cell is missing"],
  ])("%s refuses %s", (format, body, why) => {
    expect(refusal(format, Buffer.from(body)).message).toContain(why);
  });
});

function decode(format: Format, hex: string): readonly Measurement[] {
  const decoded = codecs[format](Buffer.from(hex, "hex"));
  return "measurements" in decoded ? decoded.measurements : [];
}

function decodeJson(body: object): readonly Measurement[] {
  const decoded = codecs.json(Buffer.from(JSON.stringify(body)));
  return "measurements" in decoded ? decoded.measurements : [];
}

function refusal(format: Format, payload: Uint8Array): Refusal {
  try {
    codecs[format](payload);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("the codec took it");
}

/** Values with their streams, as far as rows name them; numbers to nine digits, as factors leave them. */
function values(rows: readonly Row[]): object[] {
  return rows.map(([stream, dataType, value]) => ({
    stream: named(stream),
    dataType,
    value: Number.isFinite(value) && value !== 0 ? closeTo(value) : value,
  }));
}

function closeTo(value: number): number {
  return expect.closeTo(value, 9 - Math.floor(Math.log10(Math.abs(value)))) as number;
}

/** A stream whose name, measurement and unit are these words, with whatever else it says. */
function named(words: string): unknown {
  return expect.toSatisfy(
    ({ name, measurement, unit }: { name: string; measurement: string; unit: string }) =>
      `${name} ${measurement} ${unit}` === words,
    words,
  );
}
