import { readFileSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { runFileImport, type FileImport } from "../../../src/ingest/files/file-import.ts";
import { planImport } from "../../../src/ingest/files/plan.ts";
import {
  fromStream,
  keepStream,
  openStoredFile,
  type StoredFile,
} from "../../../src/ingest/files/source.ts";
import { watchRoom } from "../../../src/lib/disk.ts";
import { createCell } from "../../../src/store/cells.ts";
import { everything } from "../../../src/store/visibility.ts";
import { writeReadings } from "../../support/write-readings.ts";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { useApi } from "../../support/api.ts";
import { fileOf, readOrder } from "../../support/files.ts";

const api = useApi();
const sample = fileURLToPath(new URL("../../fixtures/rocketlogger.csv", import.meta.url));

const header = "timestamp,Voltage (mV),Current (uA),Power (uW),EC (uS/cm),VWC (%),Temperature (C)";
const importedAt = 1_800_000_000;
const { signal } = readOrder;

describe("a RocketLogger file", () => {
  it.each([
    ["a day", readFileSync(sample, "utf8")],
    ["a month, with gaps, in more than one chunk", monthOfHours()],
  ])("comes back from the API row by row: %s", async (_, content) => {
    const cellId = await makeCell();
    const rows = parse(content);
    const report = await runImport(text(content), { cellId });
    const counted = { rows: rows.length, readings: { new: rows.length * 6 }, finished: true };
    expect(report).toMatchObject(counted);

    const power = await get(`/api/power/${cellId}`, rows);
    expect(power["timestamp"]).toEqual(rows.map(({ ts }) => ts));
    for (const [key, at] of [
      ["v", 0],
      ["i", 1],
      ["p", 2],
    ] as const)
      expectClose(
        power[key]!,
        rows.map(({ values }) => values[at]!),
      );

    const teros = await get(`/api/teros/${cellId}`, rows);
    expect(teros["timestamp"]).toEqual(rows.map(({ ts }) => ts));
    expectClose(
      teros["vwc"]!,
      rows.map(({ values }) => values[4]! * 100),
    );
    expectClose(
      teros["temp"]!,
      rows.map(({ values }) => values[5]!),
    );
    expect(teros["ec"]).toEqual(rows.map(({ values }) => Math.trunc(values[3]!)));

    const query = `cellId=${cellId}&name=TEROS12_EC&measurement=Electrical Conductivity`;
    const ec = await get(`/api/sensor/?${query}`, rows);
    expectClose(
      ec["data"]!,
      rows.map(({ values }) => values[3]!),
    );
  });

  it("adds nothing when it comes again", async () => {
    const cellId = await makeCell();
    await runImport(await openStoredFile(sample, signal), { cellId });
    const before = await readings(cellId);
    const { readings: counted } = await runImport(await openStoredFile(sample, signal), { cellId });
    expect(counted).toEqual({ new: 0, repeated: 36, conflicting: 0 });
    expect(await readings(cellId)).toEqual(before);
  });

  it("leaves the values of another file alone, and counts the conflicts", async () => {
    const cellId = await makeCell();
    await runImport(text(`${header}\n01 Jan 2024 00:00:00 GMT,1,2,,3,0.4,5`), { cellId });
    const other = text(`${header}\n01 Jan 2024 00:00:00 GMT,1,2,0.002,3.5,0.4,5`);
    const { readings: counted } = await runImport(other, { cellId });
    expect(counted).toEqual({ new: 0, repeated: 5, conflicting: 1 });
    expect(await valuesOf(cellId, "TEROS12_EC")).toEqual([3]);
  });

  it("agrees with a device's upload of the same readings, to the power's last digit", async () => {
    const cellId = await makeCell();
    const ts = Date.UTC(2024, 1, 29, 22) / 1000;
    const common = { cellId, dataType: "float", ts, receivedAt: ts, loggerId: 1 } as const;
    await writeReadings(api.db, [
      { ...common, stream: powerStreams.v, value: -3.0625 },
      { ...common, stream: powerStreams.i, value: 0.8333333333333334 },
    ]);
    const { readings: counted } = await runImport(await openStoredFile(sample, signal), { cellId });
    expect(counted).toEqual({ new: 33, repeated: 3, conflicting: 0 });
  });

  it("keeps the logger, the time of the import, and readings without a value", async () => {
    const cellId = await makeCell();
    await runImport(text(`${header}\n01 Jan 2024 00:00:00 GMT,nan,2,,,,`), { cellId });
    expect(await readings(cellId)).toEqual([
      { name: "POWER_CURRENT", ts: 1_704_067_200, value: 2, logger: 7, received: importedAt },
      { name: "POWER_VOLTAGE", ts: 1_704_067_200, value: null, logger: 7, received: importedAt },
    ]);
  });

  it("goes in without its bad rows, which are told with their lines", async () => {
    const cellId = await makeCell();
    const rows = ["01 Jan 2024 00:00:00 GMT,3", "soon,4", "01 Jan 2024 01:00:00 GMT,5", "01 Ja"];
    const file = text(`timestamp,EC (uS/cm)\n${rows.join("\n")}`);
    const report = await runImport(file, { cellId });
    expect(report).toMatchObject({ rows: 4, bad_rows: 2, readings: { new: 2 }, finished: true });
    expect(report.wrong).toEqual([
      { file: "file.csv", line: 3, reason: '"soon" is not a time from 1970 on' },
      { file: "file.csv", line: 5, reason: "1 fields where the header has 2" },
    ]);
    expect(await valuesOf(cellId, "TEROS12_EC")).toEqual([3, 5]);
  });
});

describe("the unit of VWC", () => {
  it.each([
    [
      "no value is over 1",
      [-1.3, 0.3, 1],
      undefined,
      [-130, 30, 100],
      /^no value is over 1 \(2 are/,
    ],
    ["one value is over 1", [-1.3, 0.3, 34.5], undefined, [-1.3, 0.3, 34.5], /^line 4 has 34.5/],
    ["no value is positive", [-1.3, 0], undefined, [-130, 0], /^no value is over 1 \(0 are/],
    ["it is told to be percent", [0.3, 0.5], "percent", [0.3, 0.5], /^it was told/],
    ["it is told to be a fraction", [0.3, 1.5], "fraction", [30, 150], /^it was told/],
  ] as const)("is the file's, where %s", async (_, values, vwcUnit, stored, because) => {
    const cellId = await makeCell();
    const { files } = await runImport(text(vwcFile(values)), { cellId, vwcUnit });
    expect(files).toMatchObject([{ vwc_unit_because: expect.stringMatching(because) }]);
    expect(await valuesOf(cellId, "TEROS12_VWC_ADJ")).toEqual(stored);
  });

  it("isn't asked for where there is no VWC", async () => {
    const cellId = await makeCell();
    const file = text("timestamp,EC (uS/cm)\n01 Jan 2024 00:00:00 GMT,3");
    expect((await runImport(file, { cellId })).files).toMatchObject([{ vwc_unit: null }]);
  });

  it("is that of what comes through a pipe too", async () => {
    const cellId = await makeCell();
    const bytes = Readable.from([Buffer.from(vwcFile([0.3]))]);
    const piped = await keepStream(
      "a pipe",
      fromStream(() => bytes),
      signal,
    );
    await runImport(piped, { cellId });
    await piped.close();
    expect(await valuesOf(cellId, "TEROS12_VWC_ADJ")).toEqual([30]);
  });
});

describe("an import that is stopped", () => {
  it("has stored whole rows, and goes on when it is run again", async () => {
    const cellId = await makeCell();
    const rows = Array.from({ length: 20_000 }, (_, at) => `${1_700_000_000 + at},${at}`);
    const file = `timestamp,EC (uS/cm)\n${rows.join("\n")}\n`;
    const stop = new AbortController();
    const stopped = await runImport(text(file), {
      cellId,
      signal: stop.signal,
      onProgress: ({ phase }) => phase === "importing" && stop.abort(),
    });
    expect(stopped.finished).toBe(false);
    const { new: stored } = stopped.readings;
    expect(stored).toBeGreaterThan(0);
    expect(await runImport(text(file), { cellId })).toMatchObject({
      readings: { new: 20_000 - stored, repeated: stored },
      finished: true,
    });
  });

  it("is stopped while what it reads hasn't come yet", async () => {
    const stop = new AbortController();
    const stream = new PassThrough();
    stream.write("timestamp,EC (uS/cm)\n1700000000,1\n1700000001,2");
    const kept = keepStream(
      "a pipe",
      fromStream(() => stream),
      stop.signal,
    );
    stop.abort();
    await expect(kept).rejects.toBe(stop.signal.reason);
  });
});

let cells = 0;

async function makeCell(): Promise<number> {
  const cell = await createCell(api.db, { name: `imported ${++cells}`, uploadPolicy: "open" });
  return cell.id;
}

async function runImport(
  file: StoredFile,
  order: Partial<FileImport> & { readonly cellId: number },
) {
  const plan = await planImport([file], { format: "rocketlogger", mapping: undefined }, signal);
  return await runFileImport(api.db, {
    ...readOrder,
    plan,
    loggerId: 7,
    receivedAt: importedAt,
    clock: () => importedAt,
    vwcUnit: undefined,
    importer: everything,
    keepRoom: watchRoom(undefined),
    onProgress: () => {},
    ...order,
  });
}

function text(content: string): StoredFile {
  return fileOf("file.csv", content);
}

function vwcFile(values: readonly number[]): string {
  const rows = values.map((value, at) => `${1_700_000_000 + at},${value}`);
  return ["timestamp,VWC (%)", ...rows].join("\n");
}

/**
 * Means of hours as a fielded cell has them: values of both signs with all their digits, a first week without VWC over
 * zero, no VWC over 1, and hours that are missing.
 */
function monthOfHours(): string {
  const hours = Array.from({ length: 720 }, (_, hour) => hour).filter((hour) => hour % 100 < 97);
  const lines = hours.map((hour) => {
    const wave = Math.sin(hour / 7);
    const time = new Date(Date.UTC(2024, 0, 1, hour)).toUTCString().slice(5);
    const [mV, uA, uW] = [120.1 * wave, 2.37 * wave - 0.3, 0.285 * wave ** 3];
    const vwc = hour < 168 ? -1.27 + wave / 9 : 0.31 + wave / 19;
    const ec = (298.2 + 30 * wave).toFixed(16);
    return ` ${time},${mV},${uA},${uW},${ec},${vwc},${18.7 + wave * 9}`;
  });
  return [header, ...lines].join("\n");
}

interface Expected {
  readonly ts: number;
  readonly values: readonly number[];
}

function parse(csv: string): Expected[] {
  return csv
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [time, ...values] = line.split(",");
      return { ts: Date.parse(time!.trim()) / 1000, values: values.map(Number) };
    });
}

async function get(url: string, rows: readonly Expected[]): Promise<Record<string, number[]>> {
  const range = `startTime=${rows[0]!.ts}&endTime=${rows.at(-1)!.ts}&resample=hour&timestamps=unix`;
  return (await api.get(`${url}${url.includes("?") ? "&" : "?"}${range}`)).json();
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  const off = expected.filter(
    (value, at) => Math.abs(actual[at]! - value) > 1e-9 * Math.abs(value),
  );
  expect(off).toEqual([]);
}

async function readings(cellId: number) {
  const { rows } = await sql<{ name: string; value: number | null }>`
    select name, extract(epoch from ts)::float8 as ts, value, logger_id as logger,
      extract(epoch from received_at)::float8 as received
    from reading join sensor on sensor.id = sensor_id
    where cell_id = ${cellId} order by name, ts`.execute(api.db);
  return rows;
}

async function valuesOf(cellId: number, name: string): Promise<(number | null)[]> {
  return (await readings(cellId)).filter((row) => row.name === name).map(({ value }) => value);
}
