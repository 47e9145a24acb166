import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detectEncoding, toUtf8, type Encoding } from "../../../src/ingest/files/encoding.ts";
import { planImport } from "../../../src/ingest/files/plan.ts";
import { fileOf, readAll, zipOf } from "../../support/files.ts";

const written: Readonly<Record<Encoding, (text: string) => Buffer>> = {
  "utf-8": (text) => Buffer.from(text),
  "utf-16le": (text) => Buffer.from(`\uFEFF${text}`, "utf16le"),
  "windows-1252": (text) => Buffer.from(text, "latin1"),
};

const signal = new AbortController().signal;

describe("a text", () => {
  it.each([
    ["rocketlogger", "timestamp,Voltage (mV),Current (µA)\n2023-07-01T00:00:00,5,6\n"],
    ["sd-card", "unix_time (s),cell_id,logger_id,BME280_TEMP\n1700000000,1,2,21.500000000\n"],
    ["export", "timestamp,Wärme (1) Fühler.Wärme [°C]\n2026-01-02T03:04:05.000Z,21.5\n"],
  ] as const)("is what it was in every encoding: %s", async (name, text) => {
    const expected = await readAll(name, fileOf("t.csv", text), { cellId: 1 });
    expect(expected.readings.length).toBeGreaterThan(0);
    for (const write of Object.values(written)) {
      const zip = await zipOf("t.zip", { "t.csv": write(text) });
      for (const given of [fileOf("t.csv", write(text)), zip]) {
        const { files } = await planImport(
          [given],
          { format: undefined, mapping: undefined },
          signal,
        );
        const [{ file, format }] = files as [(typeof files)[number]];
        expect(format.name).toBe(name);
        expect(await readAll(name, file, { cellId: 1 })).toEqual(expected);
      }
    }
  });

  it("is in UTF-8 still where some of it is damaged", () => {
    const [header, rows] = ["timestamp,Wärme (1) Fühler.Wärme [°C]\n", "1,2\n"];
    const damage = Buffer.from([0xff, 0x80, 0x0a]);
    const damaged = Buffer.concat([Buffer.from(header), damage, Buffer.from(rows)]);
    expect(detectEncoding(damaged)).toBe("utf-8");
    expect(detectEncoding(written["windows-1252"](header + rows))).toBe("windows-1252");
  });

  it("is the same however it comes in pieces, to its last byte", async () => {
    const kinds = fc.constantFrom<Encoding>("utf-8", "utf-16le");
    const text = fc.string({ unit: "grapheme" });
    await fc.assert(
      fc.asyncProperty(text, kinds, fc.integer({ min: 1, max: 9 }), async (drawn, kind, length) => {
        const bytes = written[kind](drawn);
        expect(await decode(inPieces(bytes, length), kind)).toBe(drawn);
      }),
    );
    const torn = written["utf-16le"]("12").subarray(0, -1);
    expect(await decode(inPieces(torn, 2), "utf-16le")).toBe("1\uFFFD");
  });
});

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function decode(pieces: AsyncIterable<Uint8Array>, encoding: Encoding): Promise<string> {
  const read: Uint8Array[] = [];
  for await (const piece of toUtf8(pieces, encoding)) read.push(piece);
  return Buffer.concat(read).toString();
}
