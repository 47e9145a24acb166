import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { measurementTypes } from "@ents-backend/schemas/measurement";
import { findSensorTypeByNumber, sensorTypes } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codecs, type Format } from "../../src/ingest/codecs/codecs.ts";
import { MeasurementSchema } from "../../src/ingest/codecs/proto/measurement_pb.js";
import { RepeatedSensorMeasurementsSchema } from "../../src/ingest/codecs/proto/sensor_pb.js";
import { Refusal } from "../../src/ingest/refusal.ts";
import type { Decoded, Measurement } from "../../src/ingest/uplink.ts";
import {
  base64,
  encodeVersion1,
  encodeVersion2,
  type Version1,
  type Version2,
  webhook,
} from "../support/messages.ts";

fc.configureGlobal({ seed: 222, numRuns: 300 });

const formats = Object.keys(codecs) as Format[];
/** The largest body that comes through a door. */
const largest = 256 * 1024;

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const meta = fc.record({ cellId: uint32, loggerId: uint32, ts: uint32 });
const oneof = MeasurementSchema.oneofs[0]!.fields;

/** A version-1 message of any type, with what is in it. */
const version1 = fc.constantFrom(...oneof).chain((field) =>
  fc
    .tuple(meta, fc.record(Object.fromEntries(field.message!.fields.map(toEntry))))
    .map(([origin, value]) => ({
      origin,
      type: field.localName,
      value: value as Record<string, number>,
      bytes: Buffer.from(
        encodeVersion1(origin, { case: field.localName, value } as unknown as Version1),
      ),
    })),
);

function toEntry({ localName, scalar }: DescField): [string, fc.Arbitrary<number>] {
  if (scalar === ScalarType.DOUBLE) return [localName, fc.double()];
  return [localName, scalar === ScalarType.INT32 ? int32 : uint32];
}

const version2Value = fc.oneof(
  fc.record({ case: fc.constant("unsignedInt" as const), value: uint32 }),
  fc.record({ case: fc.constant("signedInt" as const), value: int32 }),
  fc.record({ case: fc.constant("decimal" as const), value: fc.double() }),
);

/** A version-2 message, with what is in it. */
const version2 = fc
  .array(
    fc.record({
      meta,
      type: fc.constantFrom(...sensorTypes.map(({ number }) => number)),
      value: version2Value,
      idx: uint32,
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((measurements) => ({
    measurements,
    bytes: Buffer.from(encodeVersion2(measurements satisfies Version2[])),
  }));

const json = fc
  .oneof(
    fc.record({
      type: fc.constantFrom("power", "bme280", "lux", "__proto__", "constructor"),
      cellId: uint32,
      loggerId: uint32,
      ts: uint32,
      data: fc.dictionary(fc.string({ unit: "binary" }), fc.double()),
    }),
    fc.record({
      cell: fc.string(),
      logger: fc.string(),
      ts: uint32,
      v: fc.double(),
      i: fc.double(),
      vwc: fc.double(),
      temp: fc.double(),
      ec: uint32,
    }),
    fc
      .tuple(fc.constantFrom(1, 2, 3, 202), fc.oneof(version1, version2))
      .map(([f_port, { bytes }]) => webhook({ f_port, frm_payload: base64(bytes) })),
    fc.json().map((text) => JSON.parse(text) as object),
  )
  .map((body) => Buffer.from(JSON.stringify(body)));

const form = fc
  .webQueryParameters()
  .map((text) => Buffer.from(`cell=a&ts=1&v=1&i=1&vwc=1&temp=1&ec=1&${text}`));

const anything = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  version1.map(({ bytes }) => bytes),
  version2.map(({ bytes }) => bytes),
  json,
  form,
);

/** What may happen to a message on its way, at some place, with another message about. */
const wounds = {
  flip: (bytes, at) =>
    Buffer.from(bytes.map((byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte))),
  cut: (bytes, at) => bytes.subarray(0, at),
  lose: (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]),
  repeat: (bytes, at) => Buffer.concat([bytes, bytes.subarray(at)]),
  insert: (bytes, at, other) =>
    Buffer.concat([bytes.subarray(0, at), other.subarray(0, 1), bytes.subarray(at)]),
  splice: (bytes, at, other) => Buffer.concat([bytes.subarray(0, at), other.subarray(at)]),
} satisfies Record<string, (bytes: Buffer, at: number, other: Buffer) => Buffer>;

const wound = fc.record({
  kind: fc.constantFrom(...Object.values(wounds)),
  place: fc.double({ min: 0, max: 1, noNaN: true }),
});

const damaged = fc
  .tuple(anything, anything, fc.array(wound, { maxLength: 4 }))
  .map(([message, other, inflicted]) =>
    inflicted.reduce<Buffer>(
      (bytes, { kind, place }) => kind(bytes, Math.floor(place * bytes.length), other),
      message,
    ),
  );

describe.each(formats)("%s", (format) => {
  it("makes measurements of whatever bytes come, or refuses them", () => {
    fc.assert(
      fc.property(damaged, (bytes) => {
        expectSound(attempt(format, bytes));
      }),
    );
  });

  it.each(Object.entries(bombs()))("is done with %s at once", (_, payload) => {
    expect(payload.length).toBeLessThanOrEqual(largest);
    const start = performance.now();
    expectSound(attempt(format, payload));
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

describe("measurement/v1", () => {
  it("reads what a node wrote, in the unit that is stored", () => {
    fc.assert(
      fc.property(version1, ({ origin, type, value, bytes }) => {
        const [measurement, ...others] = decode("measurement/v1", bytes);
        expect(others).toEqual([]);
        expect(measurement).toMatchObject(toOrigin(origin));
        expect(measurement!.values.map((read) => read.value + 0)).toEqual(
          measurementTypes[type]!.map(
            ({ field, factor, wireDivisor }) => (value[field]! / wireDivisor) * factor + 0,
          ),
        );
      }),
    );
  });

  it("takes a version-2 message for what it is", () => {
    fc.assert(
      fc.property(version2, ({ bytes }) => {
        expect(codecs["measurement/v1"](bytes)).toEqual(codecs["measurement/v2"](bytes));
      }),
    );
  });
});

describe("measurement/v2", () => {
  it("reads what a node wrote", () => {
    fc.assert(
      fc.property(version2, ({ measurements, bytes }) => {
        const read = decode("measurement/v2", bytes);
        expect(read.map(({ values }) => values.map(({ value }) => value + 0))).toEqual(
          measurements.map(({ value }) => [value.value + 0]),
        );
        expect(read.map(({ values }) => values[0]!.stream)).toEqual(
          measurements.map(({ type }) => findSensorTypeByNumber(type)),
        );
        expect(read).toMatchObject(
          measurements.map(({ meta: origin, idx }) => ({ ...toOrigin(origin), idx })),
        );
      }),
    );
  });

  it("never takes a version-1 message for one of its own", () => {
    fc.assert(
      fc.property(version1, ({ bytes }) => {
        expect(attempt("measurement/v2", bytes)).toBeInstanceOf(Refusal);
      }),
    );
  });
});

describe.each([
  ["measurement/v1", MeasurementSchema, version1],
  ["measurement/v2", RepeatedSensorMeasurementsSchema, version2],
] as const)("%s", (format, schema, messages) => {
  it.each(fieldsOf(schema))("refuses field %s with another wire type", (_, path, right) => {
    for (const [wireType, hex] of mistakable[right])
      fc.assert(
        fc.property(messages, ({ bytes }) => {
          const message = Buffer.concat([bytes, nest(path, wireType, hex)]);
          expect(attempt(format, message)).toMatchObject({ code: "undecodable" });
        }),
        { numRuns: 5 },
      );
  });

  it("skips fields that it doesn't know, wherever they stand", () => {
    const unknown = fc.tuple(
      fc.integer({ min: 16, max: 2 ** 29 - 1 }),
      fc.constantFrom(
        [WireType.Varint, "07"] as const,
        [WireType.Bit64, "0001020304050607"] as const,
        [WireType.LengthDelimited, "03ffffff"] as const,
        [WireType.Bit32, "00010203"] as const,
      ),
    );
    fc.assert(
      fc.property(
        messages,
        unknown,
        fc.boolean(),
        ({ bytes }, [number, [wireType, hex]], before) => {
          const field = nest([number], wireType, hex);
          const message = Buffer.concat(before ? [field, bytes] : [bytes, field]);
          expect(codecs[format](message)).toEqual(codecs[format](bytes));
        },
      ),
    );
  });

  it("refuses every message that is cut inside a field", () => {
    fc.assert(
      fc.property(messages, ({ bytes }) => {
        const refused = attempt(format, bytes.subarray(0, -1));
        expect(refused).toBeInstanceOf(Refusal);
      }),
    );
  });
});

/** What a codec makes of a payload: any other error than a refusal is the test's. */
function attempt(format: Format, payload: Uint8Array): Decoded | Refusal {
  try {
    return codecs[format](payload);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function decode(format: Format, payload: Uint8Array): readonly Measurement[] {
  const decoded = codecs[format](payload);
  return "measurements" in decoded ? decoded.measurements : [];
}

function toOrigin({ cellId, loggerId, ts }: { cellId: number; loggerId: number; ts: number }) {
  return { cell: { id: cellId }, logger: { id: loggerId }, ts };
}

/** Expects either a refusal that can be told and kept, or measurements that the database can hold. */
function expectSound(outcome: Decoded | Refusal): void {
  if (outcome instanceof Refusal) {
    expect(outcome.message.length).toBeLessThan(1000);
    expect(outcome.verdicts.length).toBeGreaterThan(0);
  } else if ("measurements" in outcome) {
    expect(outcome.measurements.length).toBeGreaterThan(0);
    for (const measurement of outcome.measurements) expectStorable(measurement);
  }
}

function expectStorable({ cell, logger, ts, values, idx }: Measurement): void {
  for (const reference of logger ? [cell, logger] : [cell])
    expect("id" in reference ? isUint32(reference.id) : isLabel(reference.name)).toBe(true);
  expect(ts >= 0 && ts <= 253_402_300_799 && isUint32(idx)).toBe(true);
  expect(values.length).toBeGreaterThan(0);
  for (const { stream, value } of values) {
    expect(isLabel(stream.name) && isLabel(stream.measurement)).toBe(true);
    expect(typeof value).toBe("number");
  }
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function isLabel(text: string): boolean {
  return text.length <= 100 && !text.includes("\0");
}

function filled(hex: string, length = largest): Buffer {
  return Buffer.alloc(length, hex, "hex");
}

function plain(data: string): Buffer {
  return Buffer.from(`{"type":"lux","cellId":1,"ts":1,"data":${data}}`);
}

/** Bodies that cost a careless decoder its stack, its memory or its time. */
function bombs(): Record<string, Buffer> {
  const keys = Array.from({ length: 26_000 }, (_, at) => `"${at.toString(36)}":1`);
  return {
    nothing: Buffer.alloc(0),
    "groups within groups": filled("83"),
    "groups of a known field": filled("0b"),
    "groups that end before they begin": filled("0c"),
    "a varint without an end": filled("ff"),
    "a varint of ten bytes": Buffer.from("08ffffffffffffffffff01", "hex"),
    "a length past all ends": Buffer.from("0affffffff0f00", "hex"),
    "a negative length": Buffer.from("0affffffffffffffffff01", "hex"),
    "field number zero": Buffer.from("0000", "hex"),
    "empty measurements without an end": filled("1a00"),
    "messages within messages": filled("1afeff0f"),
    "metas without an end": filled("0a00"),
    "lists within lists": filled("5b"),
    "lists within lists that close": Buffer.concat([
      filled("5b", largest / 2),
      filled("5d", largest / 2),
    ]),
    "lists within lists in data": plain(`{"a":${"[".repeat(120_000)}${"]".repeat(120_000)}}`),
    "objects within objects": Buffer.from(`${'{"a":'.repeat(37_000)}1${"}".repeat(37_000)}`),
    "more keys than anyone reads": plain(`{${keys.join(",")}}`),
    "a key without an end": plain(`{"${"k".repeat(260_000)}":"x"}`),
    "a number past all doubles": plain('{"a":1e999}'),
    "a number of many digits": plain(`{"a":${"9".repeat(260_000)}}`),
    "keys of every object": plain('{"__proto__":1,"constructor":2,"toString":3}'),
    "a prototype": Buffer.from('{"__proto__":{"type":"lux","cellId":1,"ts":1,"data":{"a":1}}}'),
    "half a surrogate pair": plain(String.raw`{"\ud800":1,"\udfff":2}`),
    "a NUL": plain(String.raw`{"a\u0000":1}`),
    "a byte order mark alone": Buffer.from("efbbbf", "hex"),
    "UTF-16": Buffer.from('\ufeff{"type":"lux"}', "utf16le"),
    "a form of many names": Buffer.from(keys.join("&").replaceAll('"', "").replaceAll(":", "=")),
    "a form of escapes": filled("25"),
    "a form without anything": filled("26"),
    "base64 without an end": Buffer.from(
      JSON.stringify(webhook({ f_port: 1, frm_payload: "A".repeat(260_000) })),
    ),
  };
}

type Path = readonly number[];
type Known = WireType.Varint | WireType.Bit64 | WireType.LengthDelimited;

/**
 * For each wire type others, with bytes that make sense by either: a decoder that goes by its schema alone would
 * read a value, and then a field that it doesn't know.
 */
const mistakable: Readonly<Record<Known, readonly (readonly [WireType, hex: string])[]>> = {
  [WireType.Varint]: [
    [WireType.Bit64, "0798060198068100"],
    [WireType.Bit32, "07980601"],
    [WireType.LengthDelimited, "03980601"],
  ],
  [WireType.Bit64]: [
    [WireType.Varint, "8080808080808001"],
    [WireType.Bit32, "0000000098068100"],
    [WireType.LengthDelimited, "0700000000000000"],
  ],
  [WireType.LengthDelimited]: [
    [WireType.Varint, "03980601"],
    [WireType.Bit64, "0798060198068100"],
    [WireType.Bit32, "03980601"],
  ],
};

/** Every field of a message and of the messages in it: a name, its path of numbers, its wire type. */
function fieldsOf(message: DescMessage, path: Path = []): [name: string, path: Path, Known][] {
  return message.fields.flatMap((field) => {
    const here = [...path, field.number];
    const inner = field.message ? fieldsOf(field.message, here) : [];
    return [[`${here.join(".")} (${field.name})`, here, wireTypeOf(field)], ...inner];
  });
}

function wireTypeOf(field: DescField): Known {
  if (field.message) return WireType.LengthDelimited;
  return field.scalar === ScalarType.DOUBLE ? WireType.Bit64 : WireType.Varint;
}

/** A field of a wire type with some bytes, at a path of numbers. */
function nest([number, ...inner]: Path, wireType: WireType, hex: string): Uint8Array {
  const writer = new BinaryWriter();
  return inner.length > 0
    ? writer
        .tag(number!, WireType.LengthDelimited)
        .bytes(nest(inner, wireType, hex))
        .finish()
    : writer.tag(number!, wireType).raw(Buffer.from(hex, "hex")).finish();
}
