import { describe, expect, it } from "vitest";
import { readParts, type RowPart } from "../../../src/ingest/files/rocketlogger-rows.ts";

const header = "timestamp,EC (uS/cm),Note";
const first = " 08 Jul 2023 20:00:00 GMT,1.5,a";
const second = " 08 Jul 2023 21:00:00 GMT,2.5,b";

describe("readParts", () => {
  it.each([
    ["LF", `${header}\n${first}\n${second}\n`],
    ["CRLF", `${header}\r\n${first}\r\n${second}\r\n`],
    ["no last line end", `${header}\n${first}\n${second}`],
    ["a byte order mark", `\uFEFF${header}\n${first}\n${second}\n`],
    ["empty lines", `\n${header}\n\n${first}\n   \n,,\n${second}\n\n`],
    ["quoted fields", `${header.replace("timestamp", '"timestamp"')}\n${quote(first)}\n${second}`],
  ])("reads a file with %s, wherever its chunks end", async (_, text) => {
    for (const chunkBytes of [1, 7, 1000]) {
      const { rows, badRows } = await readAll(text, chunkBytes);
      expect(rows.map(({ row }) => row.values.ec)).toEqual([1.5, 2.5]);
      expect(badRows).toEqual([]);
    }
  });

  it("loses no more than the rows that are damaged, and knows their lines", async () => {
    const text = [
      header,
      first,
      ' 08 Jul 2023 20:30:00 GMT,"1.5,a',
      `${"\0".repeat(200_000)}${first}`,
      ' 08 Jul 2023 20:30:00 GMT,1"5,a',
      second,
      " 08 Jul 2023 22:0",
    ].join("\n");
    const { rows, badRows } = await readAll(text, 1000);
    expect(rows.map(({ line }) => line)).toEqual([2, 6]);
    expect(badRows).toEqual([
      { line: 3, reason: "a quotation mark where none can be" },
      { line: 4, reason: "longer than 65536 characters" },
      { line: 5, reason: "a quotation mark where none can be" },
      { line: 7, reason: "1 fields where the header has 3" },
    ]);
  });

  it("understands commas and quotation marks within quoted fields", async () => {
    const { rows, badRows } = await readAll(
      `${header}\n" 08 Jul 2023 20:00:00 GMT","1.5","a ""b"", c"\n`,
      1000,
    );
    expect([rows.length, badRows]).toEqual([1, []]);
  });

  it("says so when there is nothing", async () => {
    for (const text of ["", "\n\n", "\uFEFF"])
      await expect(readAll(text, 10)).rejects.toThrow("the file is empty");
  });
});

async function readAll(text: string, chunkBytes: number) {
  const parts: RowPart[] = [];
  for await (const part of readParts(chunksOf(Buffer.from(text), chunkBytes))) parts.push(part);
  return {
    rows: parts.flatMap(({ rows }) => rows),
    badRows: parts.flatMap(({ badRows }) => badRows),
  };
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function quote(row: string): string {
  return row
    .split(",")
    .map((field) => `"${field}"`)
    .join(",");
}
