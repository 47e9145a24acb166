import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { ZipFile } from "yazl";
import { encodeLines } from "./csv.ts";
import { cellLines, sensorLines } from "./directory.ts";
import { describePackage, type ResourceSize } from "./package-description.ts";
import { explainPackage } from "./package-readme.ts";
import type { Table } from "./table.ts";
import { writeTidy } from "./tidy.ts";
import type { ExportWork } from "./work.ts";

/**
 * A Data Package: a zip of the readings as tidy CSV, the cells and sensors that they are of, and what describes them,
 * which comes last, since it has the checksums of all others.
 *
 * Source: the Data Package specification, datapackage.org
 */
export async function* writePackage(table: Table, work: ExportWork): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile();
  const output = new PassThrough();
  const open: Readable[] = [];
  const sizes = new Map<string, ResourceSize>();
  const add = (path: string, write: () => AsyncIterable<Uint8Array>): void => {
    zip.addReadStreamLazy(path, { mtime: new Date(table.created * 1000) }, (start) => {
      const stream = Readable.from(measure(write(), (size) => sizes.set(path, size)));
      stream.on("error", (error) => output.destroy(error));
      open.push(stream);
      start(null, stream);
    });
  };
  add("data/cells.csv", () => encodeLines(cellLines(table), work));
  add("data/sensors.csv", () => encodeLines(sensorLines(table), work));
  add("data/readings.csv", () => writeTidy(table, work));
  add("README.md", () => encodeLines([explainPackage(table)], work));
  add("datapackage.json", () => encodeLines([describePackage(table, sizes)], work));
  zip.end();
  zip.outputStream.pipe(output);
  try {
    yield* output;
  } finally {
    for (const stream of open) stream.destroy();
  }
}

/** Passes bytes on, and says at their end how many they were and what they come to. */
async function* measure(
  pieces: AsyncIterable<Uint8Array>,
  tell: (size: ResourceSize) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of pieces) {
    hash.update(piece);
    bytes += piece.length;
    yield piece;
  }
  tell({ bytes, hash: `sha256:${hash.digest("hex")}` });
}
