import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeReadings, type OldReading } from "../../src/store/legacy/binary-copy.ts";

const epoch_s = 946_684_800;

const reading = fc.record({
  nth: fc.nat({ max: 100 }),
  ts: fc.integer({ min: 0, max: 4e9 }),
  receivedAt: fc.integer({ min: 0, max: 4e9 }).map((ms) => ms / 4),
  loggerId: fc.option(fc.nat()),
  value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
});

/** As PostgreSQL's COPY would send it. */
function encode(readings: readonly OldReading[]): Buffer {
  const header = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), Buffer.alloc(8)]);
  return Buffer.concat([header, ...readings.map(encodeRow), Buffer.from([0xff, 0xff])]);
}

function encodeRow({ nth, ts, receivedAt, loggerId, value }: OldReading): Buffer {
  const number = Buffer.alloc(4);
  number.writeInt32BE(nth);
  const double = Buffer.alloc(8);
  double.writeDoubleBE(value ?? NaN);
  const logger = loggerId === null ? undefined : bigint(loggerId);
  const fields = [number, instant(ts), instant(receivedAt), logger, double];
  return Buffer.concat([Buffer.from([0, 5]), ...fields.map(encodeField)]);
}

function encodeField(bytes: Buffer | undefined): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes?.length ?? -1);
  return Buffer.concat([length, bytes ?? Buffer.alloc(0)]);
}

function instant(seconds: number): Buffer {
  return bigint(Math.round((seconds - epoch_s) * 1e6));
}

function bigint(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

async function decode(chunks: readonly Buffer[]): Promise<OldReading[]> {
  const readings: OldReading[] = [];
  for await (const part of decodeReadings(toAsync(chunks))) readings.push(...part);
  return readings;
}

async function* toAsync<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function cut(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

describe("what COPY sends of readings", () => {
  it("is decoded wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(reading),
        fc.integer({ min: 1, max: 200 }),
        async (readings, size) => {
          expect(await decode(cut(encode(readings), size))).toEqual(readings);
        },
      ),
    );
  });

  it("fails where it ends before its end, and never gives a reading that isn't all there", async () => {
    const readings = [{ nth: 1, ts: 5, receivedAt: 6, loggerId: null, value: 7 }];
    const bytes = encode(readings);
    for (let length = 0; length < bytes.length; length++)
      await expect(decode([bytes.subarray(0, length)])).rejects.toThrow("in the middle of a row");
  });

  it("fails where it is something else", async () => {
    await expect(decode([Buffer.from("id,name\n1,a\n2,b\n3,c\n")])).rejects.toThrow(
      "no binary COPY",
    );
  });
});
