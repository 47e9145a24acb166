import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planImport } from "../../../src/ingest/files/plan.ts";
import type { StoredFile } from "../../../src/ingest/files/source.ts";
import { KnownError } from "../../../src/lib/errors.ts";
import { fileOf, zipOf } from "../../support/files.ts";

const card = "unix_time (s),cell_id,logger_id,BME280_TEMP\n1,1,1,1\n";
const anything = { format: undefined, mapping: undefined };
const plan = async (file: StoredFile) =>
  await planImport([file], anything, new AbortController().signal);

describe("a zip file", () => {
  it("is what stands in it, without what isn't measurements", async () => {
    const inner = await zipOf("inner.zip", { "x.csv": card });
    const zip = await zipOf("card.zip", {
      "card/BME280_TEMP.csv": card,
      "card/README.txt": "hello",
      "card/SONAR.csv": card.replace("BME280_TEMP", "SONAR"),
      "__MACOSX/card/._BME280_TEMP.csv": card,
      "more.zip": await inner.slice(0, inner.size),
      "empty.csv": "",
    });
    const { files, skipped } = await plan(zip);
    expect(files.map(({ file, format }) => [file.name, format.name])).toEqual([
      ["card.zip/card/BME280_TEMP.csv", "sd-card"],
    ]);
    expect(skipped).toEqual([
      {
        name: "card.zip/card/README.txt",
        reason: expect.stringMatching(/no file of measurements.*: it begins with "hello"/),
      },
      {
        name: "card.zip/card/SONAR.csv",
        reason: expect.stringMatching(/begins with "unix_time.*SONAR"/),
      },
      { name: "card.zip/more.zip", reason: expect.stringMatching(/zip file in a zip file/) },
      { name: "card.zip/empty.csv", reason: "it is empty" },
    ]);
    expect(await textOf(files[0]!.file)).toBe(card);
  });

  it("is refused where it would unpack to far more than measurements do", async () => {
    const bomb = await zipOf("bomb.zip", { "a.csv": Buffer.alloc(80_000_000) });
    expect(bomb.size).toBeLessThan(200_000);
    await expect(plan(bomb)).rejects.toThrow(/bomb.zip unpacks to 80 MB, far more than 1 MB/);
  });

  it("is refused where it says that it holds less than it does", async () => {
    const zip = await zipOf("liar.zip", { "a.csv": card + "2,1,1,2\n".repeat(100_000) });
    const bytes = Buffer.from(await zip.slice(0, zip.size));
    // The size in the directory at its end; source: APPNOTE.TXT, 4.3.12.
    bytes.writeUInt32LE(100, bytes.indexOf("PK\u0001\u0002") + 24);
    const { files } = await plan(fileOf("liar.zip", bytes)).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "broken_zip" });
      return { files: [] };
    });
    for (const { file } of files)
      await expect(textOf(file)).rejects.toMatchObject({ code: "broken_zip" });
  });

  it("holds what was put into it, or is refused: a bit that is another one changes no reading", async () => {
    const rows = Array.from({ length: 50 }, (_, at) => `${at},1,1,${at ** 3}\n`);
    const text = card + rows.join("");
    const whole = await zipOf("card.zip", { "card.csv": text });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 8 * whole.size - 1 }), async (bit) => {
        const bytes = Buffer.from(await whole.slice(0, whole.size));
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const read = readPlanned(fileOf("card.zip", bytes)).catch((error: unknown) => {
          expect(error).toBeInstanceOf(KnownError);
          return text;
        });
        expect(await read).toBe(text);
      }),
    );
  });

  it("is refused where a file in it has another checksum", async () => {
    const zip = await zipOf("card.zip", { "card.csv": card });
    const bytes = Buffer.from(await zip.slice(0, zip.size));
    // Source: APPNOTE.TXT, 4.3.12.
    bytes.writeUInt32LE(1, bytes.indexOf("PK\u0001\u0002") + 16);
    await expect(readPlanned(fileOf("card.zip", bytes))).rejects.toMatchObject({
      code: "broken_zip",
      message: "card.zip/card.csv is a broken zip file: its checksum is another one",
    });
  });

  it("is refused where it holds too many files", async () => {
    const files = Object.fromEntries(Array.from({ length: 2001 }, (_, at) => [`${at}.csv`, "x"]));
    await expect(plan(await zipOf("many.zip", files))).rejects.toThrow(/2001 files, and 2000/);
  });

  it("is refused where it is broken, or holds nothing to import", async () => {
    await expect(plan(fileOf("broken.zip", "PK\u0003\u0004 and no more"))).rejects.toThrow(
      /broken.zip is a broken zip file/,
    );
    await expect(plan(await zipOf("letters.zip", { "a.txt": "Dear" }))).rejects.toThrow(
      /no file of measurements in it/,
    );
  });
});

describe("a file", () => {
  it("is known by its first line, though there are zero bytes further on", async () => {
    const { files } = await plan(fileOf("torn.csv", `${card}\0\0\0\0\n2,1,1,2\n`));
    expect(files.map(({ format }) => format.name)).toEqual(["sd-card"]);
  });

  it("is known by how it begins", async () => {
    const { files } = await planImport(
      [
        fileOf("a", card),
        fileOf("b", "timestamp,Voltage (mV)\n"),
        fileOf("c", "timestamp,Plot 7 (1) power.v [mV]\n"),
        fileOf("d", "timestamp,cell_id,cell,sensor,measurement,value,unit,received_at,logger_id\n"),
        fileOf("e", "PAR1"),
      ],
      anything,
      new AbortController().signal,
    );
    expect(files.map(({ format }) => format.name)).toEqual([
      "sd-card",
      "rocketlogger",
      "export",
      "export",
      "parquet",
    ]);
  });

  it.each([
    ["a table that nobody explains", "Date,T\n", /begins with "Date,T"; a table .* with a mapping/],
    ["a program", "\u007fELF\0\0", /no file of measurements that is known here; a table/],
    ["nothing", "", /nothing.csv is empty/],
  ])("is refused where it is %s", async (_, content, message) => {
    await expect(plan(fileOf("nothing.csv", content))).rejects.toThrow(message);
  });
});

/** What a file with one file in it is read as. */
async function readPlanned(file: StoredFile): Promise<string> {
  const { files } = await plan(file);
  return await textOf(files[0]!.file);
}

async function textOf(file: StoredFile): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.read(new AbortController().signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
