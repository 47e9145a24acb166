import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fileOf, readAll } from "../../support/files.ts";

const tidy = [
  "timestamp,cell_id,cell,sensor,measurement,value,unit,received_at,logger_id",
  ...[849.75, -1.5, 1e-7, null, 123].map(
    (value, at) =>
      `2026-01-02T03:04:0${at}.000Z,7,"a ""b"", c",v,w,${value ?? ""},mV,2026-01-02T03:05:00.123Z,123`,
  ),
  "",
].join("\n");
const wide = [
  "timestamp,Plot 7 (7) power.v [mV],Plot 7 (7) power.i [uA]",
  ...[849.75, -1.5, 123].map((value, at) => `2026-01-02T03:04:0${at}.000Z,${value},${value}`),
  "",
].join("\n");

const readingsOf = async (text: string) => await readAll("export", fileOf("e.csv", text));

describe("a CSV export", () => {
  it.each([
    ["a row for each reading", tidy],
    ["a column for each sensor", wide],
  ])("with %s holds nothing else where it is cut off", async (_, text) => {
    const all = (await readingsOf(text)).readings;
    expect(all.length).toBeGreaterThan(4);
    const header = text.indexOf("\n") + 1;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: header, max: text.length }), async (length) => {
        const cut = text.slice(0, length);
        const { readings, badRows } = await readingsOf(cut);
        expect(readings).toEqual(all.slice(0, readings.length));
        expect(badRows).toHaveLength(cut.endsWith("\n") ? 0 : 1);
      }),
    );
  });

  it("says where it breaks off", async () => {
    const { badRows, readings } = await readingsOf(wide.slice(0, -1));
    expect(badRows).toEqual([{ line: 4, reason: '"2026-01-02T03:04:02.000Z,123,123" breaks off' }]);
    expect(readings).toHaveLength(4);
  });
});
