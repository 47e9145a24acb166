import { createHash, randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { descriptionKey } from "@ents-backend/schemas/export-columns";
import type { ExportFormat, ExportParams } from "@ents-backend/schemas/export";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { parse } from "csv-parse/sync";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import yauzl from "yauzl";
import { connect, type Db } from "../../src/db/connect.ts";
import { writeExport } from "../../src/exports/export.ts";
import { describeFile } from "../../src/exports/file.ts";
import { prepareExport } from "../../src/exports/request.ts";
import { createCell, updateCell } from "../../src/store/cells.ts";
import { everything } from "../../src/store/visibility.ts";
import { writeReadings } from "../../src/timeseries/write.ts";
import { useDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";

const database = useDatabase();
const start = Date.parse("2026-01-02T03:00:00Z") / 1000;
const arrival = start + 0.123456;
const temperature = sensorType("BME280_TEMP");
const odd: Stream = { name: "-odd", measurement: 'a "b", c', unit: "=µ" };

async function newCell(name = `cell ${randomUUID()}`): Promise<number> {
  return (await createCell(database.db, { name, latitude: 36.99, uploadPolicy: "open" })).id;
}

async function store(
  cellId: number,
  stream: Stream,
  readings: readonly (readonly [ts: number, value: number | null])[],
  {
    loggerId = 4_294_967_295,
    dataType = "float",
  }: { loggerId?: number | null; dataType?: DataType } = {},
): Promise<void> {
  const { name, measurement, unit } = stream;
  const place = { cellId, stream: { name, measurement, unit }, dataType, loggerId };
  const rows = readings.map(([ts, value]) => ({ ...place, ts, value, receivedAt: arrival }));
  for (let at = 0; at < rows.length; at += 5000)
    await writeReadings(database.db, rows.slice(at, at + 5000));
}

const idle = { signal: new AbortController().signal, report: () => undefined };
const clock = () => start;

async function write(params: ExportParams, db: Db = database.db, work = idle): Promise<Buffer> {
  const query = await prepareExport(database.db, everything, params);
  const pieces: Uint8Array[] = [];
  for await (const piece of writeExport({ db, clock }, query, work)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function text(cells: number[], params: Partial<ExportParams> = {}): Promise<string> {
  return (await write({ cells, format: "csv", ...params })).toString();
}

type Row = Record<string, string>;

async function table(cells: number[], params: Partial<ExportParams> = {}): Promise<Row[]> {
  return parse(await text(cells, params), { columns: true });
}

describe("a wide CSV", () => {
  it("has a row for each instant, and a column for each sensor of each cell", async () => {
    const [one, other] = [await newCell("Plot 7"), await newCell("Plot 8")];
    await store(one, powerStreams.v, [
      [start, 850.5],
      [start + 10, -3],
    ]);
    await store(one, temperature, [[start + 10, 21]]);
    await store(other, temperature, [[start + 0.25, 1e-7]]);
    expect(await text([other, one])).toBe(
      `timestamp,Plot 8 (${other}) BME280_TEMP [C],Plot 7 (${one}) power.v [mV],Plot 7 (${one}) BME280_TEMP [C]\n` +
        "2026-01-02T03:00:00.000Z,,850.5,\n" +
        "2026-01-02T03:00:00.250Z,1e-7,,\n" +
        "2026-01-02T03:00:10.000Z,,-3,21\n",
    );
  });

  it("has the sensors and the time that are asked for, in the order asked", async () => {
    const cell = await newCell();
    for (const stream of [powerStreams.v, powerStreams.i])
      await store(
        cell,
        stream,
        [0, 1, 2, 3].map((at) => [start + at, at]),
      );
    const asked = { sensors: ["power.p", "POWER_CURRENT"], start: String(start + 1) };
    const rows = parse(await text([cell], { ...asked, end: "2026-01-02T03:00:02Z" }));
    expect(rows.map((row) => row.slice(1))).toEqual([
      [expect.stringContaining("power.p [uW]"), expect.stringContaining("POWER_CURRENT [uA]")],
      ["0.001", "1"],
      ["0.004", "2"],
    ]);
  });

  it("is a head alone where there is nothing", async () => {
    const cell = await newCell("Empty");
    expect(await text([cell])).toBe("timestamp\n");
    await store(cell, temperature, [[start, 1]]);
    const head = `timestamp,Empty (${cell}) BME280_TEMP [C]\n`;
    expect(await text([cell], { end: String(start - 1) })).toBe("timestamp\n");
    const asked: Partial<ExportParams> = {
      sensors: ["BME280_TEMP", "teros12.vwc"],
      resample: "day",
    };
    expect(await text([cell], { ...asked, start: String(start + 1) })).toBe(head);
  });
});

describe("a tidy CSV", () => {
  it("has a row for each reading, with all that is kept of it", async () => {
    const cell = await newCell('=1+1, "x"\u{1F4A7}');
    await store(cell, odd, [[start, 0.1 + 0.2]]);
    await store(cell, temperature, [[start + 0.000001, null]], { loggerId: null, dataType: "int" });
    const received = "2026-01-02T03:00:00.123456Z";
    expect(await text([cell], { format: "csv-tidy" })).toBe(
      "timestamp,cell_id,cell,sensor,measurement,value,unit,received_at,logger_id\n" +
        `2026-01-02T03:00:00.000Z,${cell},"'=1+1, ""x""\u{1F4A7}",'-odd,"a ""b"", c",0.30000000000000004,'=µ,${received},4294967295\n` +
        `2026-01-02T03:00:00.000001Z,${cell},"'=1+1, ""x""\u{1F4A7}",BME280_TEMP,Temperature,,C,${received},\n`,
    );
  });

  it("agrees with the wide one, however many parts both are read in", async () => {
    const cells = [await newCell(), await newCell()];
    // An hour that is too much by itself, two that overlap, and one far away.
    await store(cells[0]!, powerStreams.v, ramp(start, 0.05, 45_000));
    await store(cells[0]!, temperature, ramp(start, 0.07, 30_000));
    await store(cells[1]!, temperature, ramp(start + 600, 1, 3_000));
    await store(cells[1]!, powerStreams.i, [[946_684_800, 7]]);
    const tidy = await table(cells, { format: "csv-tidy" });
    const wide = await table(cells);
    expect(tidy).toHaveLength(78_001);
    const values = wide.flatMap(({ timestamp, ...columns }) =>
      Object.entries(columns)
        .filter(([, value]) => value !== "")
        .map(([name, value]) => `${timestamp} ${/\((\d+)\)/.exec(name)![1]} ${value}`),
    );
    expect(values.toSorted()).toEqual(
      tidy.map((row) => `${row["timestamp"]} ${row["cell_id"]} ${row["value"]}`).toSorted(),
    );
    for (const rows of [tidy, wide]) {
      const times = rows.map(({ timestamp }) => Date.parse(timestamp!));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    expect(new Set(wide.map(({ timestamp }) => timestamp)).size).toBe(wide.length);
  });
});

function ramp(from: number, step_s: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, at) => [from + at * step_s, at / 3]);
}

describe("means", () => {
  it.each(["minute", "hour", "6 hours", "day", "week", "year"] as const)(
    "of each %s are those of the readings, each bucket once",
    async (resample) => {
      const cell = await newCell();
      const readings = ramp(start - 1800, 977, 3_000);
      await store(cell, temperature, [...readings, [start - 1800 + 0.5, null]]);
      const rows = await table([cell], { resample, format: "csv-tidy" });
      const { rows: expected } = await sql<{ at: Date; mean: number }>`
        select ${bucketSql(resample)} as at, avg(value)::float8 as mean
        from reading join sensor on sensor.id = sensor_id where cell_id = ${cell} group by 1 order by 1`.execute(
        database.db,
      );
      expect(rows.map(({ timestamp }) => timestamp)).toEqual(
        expected.map(({ at }) => at.toISOString()),
      );
      for (const [at, { value }] of rows.entries())
        expect(Number(value)).toBeCloseTo(expected[at]!.mean, 9);
      expect(rows[0]).not.toHaveProperty("received_at");
    },
  );

  it("of days are those of the zone", async () => {
    const cell = await newCell();
    await store(cell, temperature, ramp(start, 1800, 60));
    const rows = await table([cell], { resample: "day", tz: "Asia/Kolkata", format: "csv-tidy" });
    expect(rows.map(({ timestamp }) => timestamp)).toEqual([
      "2026-01-01T18:30:00.000Z",
      "2026-01-02T18:30:00.000Z",
    ]);
  });
});

function bucketSql(resample: "minute" | "hour" | "6 hours" | "day" | "week" | "year") {
  if (resample === "6 hours") return sql`date_bin('6 hours', ts, 'epoch'::timestamptz)`;
  return sql`date_trunc(${resample}, ts, 'UTC')`;
}

describe("a Parquet file", () => {
  it("has what the tidy CSV has, to the microsecond and the bit", async () => {
    const cell = await newCell("P 'q'");
    await store(cell, powerStreams.v, ramp(start, 0.000123, 60_000));
    await store(cell, odd, [[start + 1, null]], { loggerId: null });
    await store(cell, odd, [[start + 2, Number.MIN_VALUE]]);
    const bytes = await write({ cells: [cell], format: "parquet" });
    const file = new Uint8Array(bytes).buffer;
    const micros = (at: bigint) => at;
    const rows = await parquetReadObjects({ file, parsers: { timestampFromMicroseconds: micros } });
    const tidy = await table([cell], { format: "csv-tidy" });
    expect(rows).toHaveLength(60_002);
    expect(rows.map(toFields)).toEqual(tidy.map(unguarded));
    const metadata = parquetMetadata(file);
    const said = metadata.key_value_metadata?.find(({ key }) => key === descriptionKey)?.value;
    expect(JSON.parse(said!)).toMatchObject({
      version: 1,
      created: "2026-01-02T03:00:00.000Z",
      query: { resample: "none", tz: "UTC" },
      cells: [{ cell_id: cell, cell: "P 'q'", latitude: 36.99, longitude: null }],
      sensors: [
        { sensor: "POWER_VOLTAGE", measurement: "Voltage", unit: "mV", data_type: "float" },
        { sensor: "-odd", measurement: 'a "b", c', unit: "=µ" },
      ],
    });
  });

  it("is there where there is nothing", async () => {
    const file = new Uint8Array(await write({ cells: [await newCell()], format: "parquet" }))
      .buffer;
    expect(await parquetReadObjects({ file })).toEqual([]);
  });

  function toFields(row: Record<string, unknown>): Row {
    const field = (value: unknown) => {
      if (typeof value === "bigint" && value > 10n ** 12n) return isoOf(value);
      return typeof value === "object" ? "" : `${value as string | number}`;
    };
    return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, field(value)]));
  }

  function isoOf(micros: bigint): string {
    const iso = new Date(Number(micros / 1000n)).toISOString();
    const rest = micros % 1000n;
    return rest === 0n ? iso : iso.replace("Z", `${String(rest).padStart(3, "0")}Z`);
  }

  function unguarded(row: Row): Row {
    return {
      ...row,
      sensor: row["sensor"]!.replace("'-", "-"),
      unit: row["unit"]!.replace("'=", "="),
    };
  }
});

describe("a Data Package", () => {
  it("has readings, sensors, cells, and a description with their checksums", async () => {
    const cell = await newCell("Plot 9");
    await store(cell, temperature, ramp(start, 60, 100));
    const asked = {
      cells: [cell],
      format: "datapackage",
      licence: "CC-BY-4.0",
    } satisfies ExportParams;
    const files = await unzip(await write(asked));
    expect([...files.keys()].sort()).toEqual([
      "README.md",
      "data/cells.csv",
      "data/readings.csv",
      "data/sensors.csv",
      "datapackage.json",
    ]);
    expect(files.get("data/readings.csv")!.toString()).toBe(
      await text([cell], { format: "csv-tidy" }),
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

  async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
    const zip = await promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer)(bytes, {
      lazyEntries: true,
    });
    const files = new Map<string, Buffer>();
    for await (const entry of zip.eachEntry())
      files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
    return files;
  }
});

describe("who may have an export", () => {
  it("is who may read all its cells", async () => {
    const [open, hidden] = [await newCell(), await newCell()];
    await updateCell(database.db, hidden, { visibility: "private" });
    const nobody = { userId: undefined, admin: false };
    const ask = async (cells: number[]) =>
      await prepareExport(database.db, nobody, { cells, format: "csv" });
    expect((await ask([open, open])).cells.map(({ id }) => id)).toEqual([open]);
    await expect(ask([open, hidden])).rejects.toMatchObject({ code: "cell_not_found" });
    await expect(ask([2 ** 31 - 1])).rejects.toMatchObject({ kind: "not_found" });
  });

  it.each([
    [{ start: "soon" }, "invalid_time"],
    [{ tz: "Atlantis" }, "unknown_zone"],
    [{ sensors: ["VOLTAGE"] }, "unknown_sensor"],
  ])("is nobody who asks for %j", async (params, code) => {
    const cells = [await newCell()];
    await expect(
      prepareExport(database.db, everything, { cells, format: "csv", ...params }),
    ).rejects.toMatchObject({ code });
  });
});

describe("while an export is written", () => {
  const formats: ExportFormat[] = ["csv", "csv-tidy", "parquet", "datapackage"];

  it.each(formats)(
    "%s: what is stored meanwhile isn't in it, and it says how far it is",
    async (format) => {
      const cell = await newCell();
      await store(cell, temperature, ramp(start, 1, 45_000));
      const fractions: number[] = [];
      const report = (fraction: number) => void fractions.push(fraction);
      const asked = { cells: [cell], format };
      const query = await prepareExport(database.db, everything, asked);
      let [pieces, bytes] = [0, 0];
      for await (const piece of writeExport({ db: database.db, clock }, query, {
        ...idle,
        report,
      })) {
        if (pieces === 0) await store(cell, temperature, ramp(start + 50_000, 1, 5_000));
        pieces += 1;
        bytes += piece.length;
      }
      expect(fractions.at(-1)).toBe(1);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect((await write(asked)).length).toBeGreaterThan(bytes);
    },
  );

  it.each(formats)("%s: giving up leaves no transaction open", async (format) => {
    const cell = await newCell();
    await store(cell, temperature, ramp(start, 0.1, 45_000));
    const only = connect(database.url, silentLog, { connections: 1, statementTimeout_ms: 0 });
    const query = await prepareExport(only, everything, { cells: [cell], format });
    for (const way of ["leaves", "aborts"]) {
      const stop = new AbortController();
      const work = { ...idle, signal: stop.signal };
      const reading = (async () => {
        for await (const _ of writeExport({ db: only, clock }, query, work)) {
          if (way === "leaves") break;
          stop.abort(new Error("enough"));
        }
      })();
      if (way === "leaves") await reading;
      else await expect(reading).rejects.toThrow("enough");
      const { rows } = await sql`select current_setting('transaction_isolation') as level`.execute(
        only,
      );
      expect(rows).toEqual([{ level: "read committed" }]);
    }
    await only.destroy();
  });
});

it("names the file by what is in it", async () => {
  const [one, other] = [await newCell(), await newCell()];
  const fileOf = async (params: ExportParams) =>
    describeFile(await prepareExport(database.db, everything, params));
  expect(await fileOf({ cells: [one], format: "csv-tidy" })).toEqual({
    name: `cell-${one}-readings-tidy.csv`,
    mediaType: "text/csv; charset=utf-8",
  });
  expect(await fileOf({ cells: [one, other], format: "parquet", resample: "6 hours" })).toEqual({
    name: "2-cells-means-by-6-hours.parquet",
    mediaType: "application/vnd.apache.parquet",
  });
});
