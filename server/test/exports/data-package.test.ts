import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import type { ExportParams } from "@ents-backend/schemas/export";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import yauzl from "yauzl";
import { start, temperature, thirds, useExports } from "../support/exports.ts";

const exports = useExports();

describe("a Data Package", () => {
  it("has readings, sensors, cells, and a description with their checksums", async () => {
    const cell = await exports.newCell("Plot 9");
    await exports.store(cell, temperature, thirds(start, 60, 100));
    const asked = {
      cells: [cell],
      format: "datapackage",
      licence: "CC-BY-4.0",
    } satisfies ExportParams;
    const files = await unzip(await exports.write(asked));
    expect([...files.keys()].sort()).toEqual([
      "README.md",
      "data/cells.csv",
      "data/readings.csv",
      "data/sensors.csv",
      "datapackage.json",
    ]);
    expect(files.get("data/readings.csv")!.toString()).toBe(
      await exports.text([cell], { format: "csv-tidy" }),
    );
    expect(files.get("data/cells.csv")!.toString()).toBe(
      `cell_id,cell,location,latitude,longitude\n${cell},Plot 9,,36.99,\n`,
    );
    const description = JSON.parse(files.get("datapackage.json")!.toString()) as {
      resources: {
        path: string;
        bytes: number;
        hash: string;
        schema: { fields: { name: string }[] };
      }[];
    };
    expect(description).toMatchObject({
      name: `cell-${cell}-readings`,
      title: "Readings of Plot 9",
      licenses: [{ name: "CC-BY-4.0" }],
      export: { query: { start: "2026-01-02T03:00:00.000Z", end: "2026-01-02T04:39:00.000Z" } },
    });
    for (const { path, bytes, hash, schema } of description.resources) {
      const file = files.get(path)!;
      expect(file.length).toBe(bytes);
      expect(hash).toBe(`sha256:${createHash("sha256").update(file).digest("hex")}`);
      const [head] = parse(file);
      expect(schema.fields.map(({ name }) => name)).toEqual(head);
    }
    expect(files.get("README.md")!.toString()).toContain("CC-BY-4.0");
  });
});

async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
  const zip = await promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer)(bytes, {
    lazyEntries: true,
  });
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  return files;
}
