import { describe, expect, it } from "vitest";
import { parseMapping, parseMappingText } from "../../../src/ingest/files/mapping.ts";
import { fileOf, readAll } from "../../support/files.ts";

const july = 1_688_169_600;

/** What a table holds, as time, sensor and value of each reading. */
async function readTable(
  content: string | Uint8Array,
  mapping: object,
  cellId: number | undefined = 1,
) {
  const file = fileOf("table.csv", content);
  const read = await readAll("mapped", file, { mapping: parseMapping(mapping), cellId });
  const readings = read.readings.map(({ ts, stream, value }) => [ts, stream.name, value]);
  return { ...read, readings };
}

const time = { column: "Date" };
const temperature = { column: "T", sensor: "BME280_TEMP" };
const simple = { time, values: [temperature] };

describe("a table with a mapping", () => {
  it("is what German spreadsheets save: semicolons, decimal commas, Latin-1, CRLF, lines before the header", async () => {
    const text =
      'Station Nord;;\r\nDatum;Zeit;"Temp (°C)"\r\n01.07.2023;02:00;21,5\r\n01.07.2023;02:10;NA\r\n';
    const mapping = {
      time: { columns: ["Datum", "Zeit"], format: "%d.%m.%Y %H:%M", zone: "Europe/Berlin" },
      values: [{ column: "Temp (°C)", sensor: "BME280_TEMP" }],
      decimal: ",",
      skip_lines: 1,
    };
    for (const content of [Buffer.from(text, "latin1"), text, `\uFEFF${text}`]) {
      const { readings, rows, badRows } = await readTable(content, mapping);
      expect([readings, rows, badRows]).toEqual([[[july, "BME280_TEMP", 21.5]], 2, []]);
    }
    const utf16 = Buffer.from(`\uFEFF${text}`, "utf16le");
    expect((await readTable(utf16, mapping)).readings).toEqual([[july, "BME280_TEMP", 21.5]]);
  });

  it("is what data loggers save: quotation marks, units under the header, -9999 for nothing", async () => {
    const text =
      '"TOA5","x"\n"Date","RECORD","T"\n"TS","RN","Deg C"\n"2023-07-01 00:00:00",1,21.5\n"2023-07-01 00:10:00",2,-9999\n"2023-07-01 00:20:00",3,"NAN"\n';
    const mapping = { ...simple, skip_lines: 1, skip_after_header: 1, missing: ["-9999"] };
    const { readings, ignored } = await readTable(text, mapping);
    expect(readings).toEqual([
      [july, "BME280_TEMP", 21.5],
      [july + 1200, "BME280_TEMP", null],
    ]);
    expect(ignored).toEqual(["RECORD"]);
  });

  it("has a header with line ends in it, and a quotation mark that is never closed costs its line alone", async () => {
    const text = 'Date,"T\n(C)"\n2023-07-01,1\n2023-07-02,"2\n2023-07-03,3\n2023-07-04,"4"\n';
    const mapping = { time, values: [{ column: 2, sensor: "BME280_TEMP" }] };
    const { readings, badRows } = await readTable(text, mapping);
    expect(readings.map(([, , value]) => value)).toEqual([1, 3, 4]);
    expect(badRows).toEqual([{ line: 4, reason: expect.stringMatching(/quotation mark/) }]);
  });

  it("goes by numbers of columns where there is no header", async () => {
    const mapping = {
      time: { column: 1, format: "unix" },
      values: [{ column: 3, sensor: { name: "gauge", measurement: "rain", unit: "mm" } }],
      header: false,
      delimiter: "\t",
    };
    const { readings } = await readTable("1688169600\tx\t0.2\n", mapping);
    expect(readings).toEqual([[july, "gauge", 0.2]]);
  });

  it("finds cells and loggers in columns, and tells of those that it doesn't know", async () => {
    const mapping = {
      ...simple,
      cell: { column: "Plot", cells: { North: 7 } },
      logger: { column: "Node" },
    };
    const text = "Date,Plot,Node,T\n2023-07-01,North,3,1\n2023-07-01,8,,2\n2023-07-01,South,3,3\n";
    const { readings, badRows } = await readAll("mapped", fileOf("t.csv", text), {
      mapping: parseMapping(mapping),
    });
    expect(readings).toMatchObject([
      { cellId: 7, loggerId: 3, value: 1 },
      { cellId: 8, loggerId: null, value: 2 },
    ]);
    expect(badRows).toEqual([{ line: 4, reason: '"South" is not a cell that the mapping knows' }]);
  });

  it("scales values, and takes VWC for what the file shows unless a factor says it", async () => {
    const values = [
      { column: "V", sensor: "power.v", factor: 1000 },
      { column: "F", sensor: { name: "a", measurement: "b", unit: "C" }, factor: 0.5, offset: -16 },
      { column: "W", sensor: "teros12.vwc" },
      { column: "W", sensor: "teros12.vwc", offset: -2, cell: 2 },
    ];
    const file = fileOf("t.csv", "Date,V,F,W\n2023-07-01,0.85,32,0.3\n");
    const mapping = parseMapping({ time, values });
    const { readings } = await readAll("mapped", file, { mapping, cellId: 1, vwcUnit: "fraction" });
    expect(readings.map(({ value }) => value)).toEqual([850, 0, 30, 28]);
  });

  it.each([
    ["no number", "2023-07-01,warm", 'T: "warm" is not a number'],
    ["a decimal comma that nobody spoke of", '2023-07-01,"1,5"', 'T: "1,5" is not a number'],
    ["numbers with commas between commas", "2023-07-01,21,5", "3 fields, and the header has 2"],
    ["no time", "yesterday,1", '"yesterday" is not a time as the mapping says'],
  ])("tells of %s with its line", async (_, row, reason) => {
    const { badRows, readings } = await readTable(`Date,T\n${row}\n2023-07-02,1\n`, simple);
    expect([badRows, readings.length]).toEqual([[{ line: 2, reason }], 1]);
  });

  it("says which columns there are where one is missing", async () => {
    await expect(readTable("Date,Temp\n2023-07-01,1\n", simple)).rejects.toThrow(
      'table.csv has no column "T"; it has "Date, Temp"',
    );
  });

  it("may have empty fields behind its columns, and rows that end early", async () => {
    const { readings, badRows } = await readTable(
      "Date,T,U\n2023-07-01,1,2, ,\n2023-07-02,3\n",
      simple,
    );
    expect([readings.map(([, , value]) => value), badRows]).toEqual([[1, 3], []]);
  });

  it("has one column of each name that is mapped; others go by their numbers", async () => {
    const text = "Date,T,Note,T,Note\n2023-07-01,1,x,2,y\n";
    await expect(readTable(text, simple)).rejects.toThrow(
      'table.csv has more than one column "T": the mapping can give columns by their numbers',
    );
    const second = { time, values: [{ column: 4, sensor: "BME280_TEMP" }] };
    expect((await readTable(text, second)).readings).toEqual([[july, "BME280_TEMP", 2]]);
  });

  it("needs a cell", async () => {
    const file = fileOf("t.csv", "Date,T\n2023-07-01,1\n");
    await expect(readAll("mapped", file, { mapping: parseMapping(simple) })).rejects.toThrow(
      /doesn't say which cell was measured/,
    );
  });

  it("may begin with a byte order mark, as what Notepad saves", () => {
    expect(parseMappingText(`\uFEFF${JSON.stringify(simple)}`)).toEqual(simple);
  });

  it.each([
    [{}, /time is missing/],
    [{ time: {}, values: [temperature] }, /time needs either a column or columns/],
    [{ ...simple, values: [{ column: "T", sensor: "BME281" }] }, /there is no sensor "BME281"/],
    [{ ...simple, time: { column: "D", format: "%H" } }, /time format/],
    [{ ...simple, time: { column: "D", zone: "Mars" } }, /the zone "Mars" is none/],
    [{ ...simple, colour: "red" }, /the mapping is not right/],
  ])("must make sense: %j", (mapping, message) => {
    expect(() => parseMapping(mapping)).toThrow(message);
  });
});
