import { powerStreams, terosStreams } from "@ents-backend/schemas/measurement";
import { describe, expect, it } from "vitest";
import {
  previewImport,
  runFileImport,
  type FileImport,
} from "../../../src/ingest/files/file-import.ts";
import { parseMapping } from "../../../src/ingest/files/mapping.ts";
import { planImport } from "../../../src/ingest/files/plan.ts";
import type { StoredFile } from "../../../src/ingest/files/source.ts";
import { watchRoom, type KeepRoom } from "../../../src/lib/disk.ts";
import { createCell, deleteCell } from "../../../src/store/cells.ts";
import { createLogger } from "../../../src/store/loggers.ts";
import { removeMember, setMember } from "../../../src/store/members.ts";
import { everything } from "../../../src/store/visibility.ts";
import { writeReadings } from "../../support/write-readings.ts";
import { useApi } from "../../support/api.ts";
import { fileOf, readOrder } from "../../support/files.ts";
import { rowsAdded } from "../../support/rows.ts";
import { newUser } from "../../support/users.ts";

const api = useApi();
const start = 1_700_000_000;
const step_s = 600;
const iso = (ts: number) => new Date(ts * 1000).toISOString();
const isoAt = (place: number) => iso(start + place * step_s);

describe("an import of files", () => {
  it("does what its preview has said, and the second time nothing", async () => {
    const cellId = await makeCell();
    await store(cellId, [0, 1, 2], (at) => (at === 2 ? -5 : at));
    const files = [
      sdFile("POWER_VOLTAGE", cellId, [0, 1, 2, 3, 4], (at) => at),
      // The same readings once more, as when a file is copied twice, and one that differs from the copy.
      sdFile("POWER_VOLTAGE", cellId, [3, 4, 5], (at) => (at === 4 ? 40 : at)),
    ];
    const seen = await preview(files);
    expect(seen.added).toEqual({});
    expect(seen.report).toMatchObject({
      readings: { new: 3, repeated: 3, conflicting: 2 },
      cells: [{ id: cellId, readings: 8, problem: null }],
      loggers: [{ id: 3, name: null, readings: 8 }],
      sensors: [{ name: "POWER_VOLTAGE", unit: "mV", readings: 8, earliest: iso(start) }],
      rows: 8,
      bad_rows: 0,
      finished: true,
    });
    const done = await run(files);
    expect(done.report).toEqual(seen.report);
    expect(done.added).toEqual({ reading: 3, reading_conflict: 2, logger_sighting: 1 });
    const again = await run(files);
    expect(again.report.readings).toEqual({ new: 0, repeated: 6, conflicting: 2 });
    expect([again.added, again.report.gaps]).toEqual([{}, { filled: 0, longest: [] }]);
  });

  it("says which gaps it has filled, the longest first, and not what was there", async () => {
    const cellId = await makeCell();
    const there = [0, 1, 2, 3, 8, 9, 20, 21, 22];
    await store(cellId, there, () => 1);
    const files = [
      sdFile("POWER_VOLTAGE", cellId, [1, 2, 4, 5, 6, 7, 8, 12, 14, 15, 16, 23, 24], () => 1),
    ];
    const { report: seen } = await preview(files);
    const { report } = await run(files);
    expect(report.gaps).toEqual(seen.gaps);
    const spans = report.gaps.longest.map(({ from, to, readings }) => [from, to, readings]);
    expect(spans).toEqual([
      [isoAt(4), isoAt(7), 4],
      [isoAt(14), isoAt(16), 3],
      [isoAt(23), isoAt(24), 2],
      [isoAt(12), isoAt(12), 1],
    ]);
    expect(report.gaps.filled).toBe(4);
  });

  it("takes what was printed with nine digits for the reading that it was printed of", async () => {
    const cellId = await makeCell();
    const [value, vwc] = [1.0580645161290323, 34.30645161290323];
    const common = {
      cellId,
      dataType: "float",
      ts: start,
      receivedAt: start,
      loggerId: 3,
    } as const;
    await writeReadings(api.db, [
      { ...common, stream: powerStreams.v, value },
      { ...common, stream: terosStreams.vwc, value: vwc },
    ]);
    const rows = (name: string, number: number) =>
      fileOf(
        name,
        `unix_time (s),cell_id,logger_id,${name}\n${start},${cellId},3,${number.toFixed(9)}\n`,
      );
    const files = [rows("POWER_VOLTAGE", value), rows("TEROS12_VWC_ADJ", vwc / 100)];
    const { report, added } = await run(files);
    expect(report.readings).toEqual({ new: 0, repeated: 2, conflicting: 0 });
    expect(added).toEqual({});
    const { report: other } = await preview([rows("POWER_VOLTAGE", value + 2e-9)]);
    expect(other.readings.conflicting).toBe(1);
  });

  it("warns of clocks that were wrong, and keeps what they said", async () => {
    const cellId = await makeCell();
    const rows = [5, 946_684_800, start, 4_000_000_000].map((ts) => `${ts},${cellId},3,1`);
    const file = fileOf(
      "c.csv",
      ["unix_time (s),cell_id,logger_id,BME280_TEMP", ...rows, ""].join("\n"),
    );
    const { report } = await run([file]);
    expect(report.warnings).toEqual([
      expect.stringMatching(/^2 readings from before 2010/),
      expect.stringMatching(/^1 reading from the future/),
    ]);
    expect(report.readings.new).toBe(4);
  });

  it("tells of the first bad rows of all files, and counts the others", async () => {
    const cellId = await makeCell();
    const bad = Array.from({ length: 15 }, () => "x\n").join("");
    const header = "unix_time (s),cell_id,logger_id,BME280_TEMP\n";
    const files = ["a.csv", "b.csv"].map((name) =>
      fileOf(name, `${header}${bad}${start},${cellId},3,1\n`),
    );
    const { report } = await preview(files);
    expect([report.bad_rows, report.wrong.length, report.rows]).toEqual([30, 20, 32]);
    expect(report.wrong.at(-1)).toMatchObject({ file: "b.csv", line: 6 });
  });

  it("takes two times within one microsecond for one, as its preview does", async () => {
    const cellId = await makeCell();
    const mapping = parseMapping({
      time: { column: "t" },
      values: [{ column: "T", sensor: "BME280_TEMP" }],
    });
    const rows = ["34561", "34563"].map((digits) => `2024-01-01T00:00:00.12${digits}Z,5`);
    const files = [fileOf("t.csv", ["t,T", ...rows, ""].join("\n"))];
    const readings = { new: 1, repeated: 1, conflicting: 0 };
    for (const act of [preview, run])
      expect((await act(files, { mapping, cellId })).report.readings).toEqual(readings);
  });

  it("says so where a file is of more loggers than can be told of", async () => {
    const cellId = await makeCell();
    const rows = Array.from({ length: 1001 }, (_, at) => `${start + at},${cellId},${at},1`);
    const header = "unix_time (s),cell_id,logger_id,BME280_TEMP";
    const files = (count: number) => [
      fileOf("a.csv", [header, ...rows.slice(0, count), ""].join("\n")),
    ];
    await expect(preview(files(1001))).rejects.toMatchObject({ code: "too_many_sensors" });
    expect((await preview(files(1000))).report.loggers).toHaveLength(1000);
  });

  it("decides what VWC is in for each file by its logger's setting, else by its values", async () => {
    const cellId = await makeCell();
    const { id: logger } = await createLogger(api.db, { name: "set", vwcUnit: "percent" });
    const vwcFile = (name: string, loggerId: number, values: readonly number[]) =>
      fileOf(
        name,
        ["unix_time (s),cell_id,logger_id,TEROS12_VWC_ADJ"]
          .concat(
            values.map((value, at) => `${start + at},${cellId},${loggerId},${value.toFixed(9)}`),
          )
          .join("\n") + "\n",
      );
    const { report } = await preview([
      vwcFile("fraction", 99, [0.3, 0.4]),
      vwcFile("percent", 99, [-1.3, 34]),
      vwcFile("set", logger, [0.3, 0.4]),
    ]);
    expect(
      report.files.map(({ vwc_unit, vwc_unit_because }) => [vwc_unit, vwc_unit_because]),
    ).toEqual([
      ["fraction", "no value is over 1 (2 are positive)"],
      ["percent", "line 3 has 34, which is no fraction"],
      ["percent", "the logger is set to send it so"],
    ]);
    expect(report.warnings).toEqual([]);
  });

  it("lets each value tell on a card that goes over the day of new firmware", async () => {
    const cellId = await makeCell();
    const rows = [0.34, 0.341, 34.5, 0.5].map((value, at) => `${start + at},${cellId},99,${value}`);
    const card = fileOf(
      "TEROS12_VWC_ADJ.csv",
      ["unix_time (s),cell_id,logger_id,TEROS12_VWC_ADJ", ...rows, ""].join("\n"),
    );
    const { report } = await run([card]);
    expect(report.files).toMatchObject([{ vwc_unit: "each" }]);
    expect(report.warnings).toEqual([expect.stringMatching(/3 of 4 .* taken for fractions/)]);
    expect(await vwcOf(cellId)).toEqual(
      [34, 34.1, 34.5, 50].map((value) => expect.closeTo(value, 9) as number),
    );
  });

  it("heeds the setting of a logger that is the cell's, and says what it means for a card", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const { id } = await createLogger(api.db, {
      name: "bob's",
      vwcUnit: "percent",
      userId: bob.id,
    });
    const cards = async (cellId: number) => {
      // Before its node was told its number it said 0.
      const rows = [0.5, 34.5].map((value, at) => `${start + at},${cellId},${at * id},${value}`);
      const lines = ["unix_time (s),cell_id,logger_id,TEROS12_VWC_ADJ", ...rows, ""];
      const importer = { userId: undefined, admin: true };
      const { report } = await run([fileOf("c.csv", lines.join("\n"))], { importer });
      return { unit: report.files[0]!.vwc_unit, warned: report.warnings.length };
    };
    const strange = await makeCell({ userId: ada.id });
    expect(await cards(strange)).toEqual({ unit: "each", warned: 1 });
    await setMember(api.db, strange, bob.id, "editor");
    expect(await cards(strange)).toEqual({ unit: "percent", warned: 1 });
    expect(await cards(await makeCell())).toEqual({ unit: "percent", warned: 1 });
  });

  it("keeps a table's own power beside its voltage and current", async () => {
    const cellId = await makeCell();
    const mapping = parseMapping({
      time: { column: "t" },
      values: ["power.i", "power.p", "power.v"].map((sensor) => ({ column: sensor, sensor })),
    });
    const rows = Array.from({ length: 7000 }, (_, at) => `${start + at},2,7,3`).join("\n");
    const file = fileOf("t.csv", `t,power.i,power.p,power.v\n${rows}\n`);
    const { report } = await run([file], { mapping, cellId });
    expect(report.readings).toEqual({ new: 21_000, repeated: 0, conflicting: 0 });
    const { rows: powers } = await api.db
      .selectFrom("reading")
      .innerJoin("sensor", "sensor.id", "sensor_id")
      .select("value")
      .distinct()
      .where("cell_id", "=", cellId)
      .where("name", "=", "POWER")
      .execute()
      .then((all) => ({ rows: all }));
    expect(powers).toEqual([{ value: 7 }]);
  });

  it("goes on where it was stopped", async () => {
    const cellId = await makeCell();
    const places = Array.from({ length: 20_000 }, (_, at) => at);
    const files = [sdFile("POWER_VOLTAGE", cellId, places, (at) => at)];
    const stop = new AbortController();
    const stopped = await run(files, {
      signal: stop.signal,
      onProgress: ({ phase, rows }) => phase === "importing" && rows > 5000 && stop.abort(),
    });
    expect(stopped.report.finished).toBe(false);
    const { new: stored } = stopped.report.readings;
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(20_000);
    const { report } = await run(files);
    expect(report.readings).toEqual({ new: 20_000 - stored, repeated: stored, conflicting: 0 });
  });
});

describe("the disk of an import", () => {
  it("keeps room for what arrives: what is stored by then stays, and it goes on later", async () => {
    const cellId = await makeCell();
    const places = Array.from({ length: 20_000 }, (_, at) => at);
    const files = [sdFile("POWER_VOLTAGE", cellId, places, (at) => at)];
    const full = /^the disk is full$/;
    await expect(preview(files, { keepRoom: roomFor(2_000_000) })).rejects.toThrow(full);
    const { reading: stored = 0 } = await rowsAdded(api.db, async () => {
      await expect(run(files, { keepRoom: roomFor(2_000_000) })).rejects.toThrow(full);
    });
    expect(stored).toBeGreaterThan(0);
    const { report } = await run(files);
    expect(report.readings).toEqual({ new: 20_000 - stored, repeated: stored, conflicting: 0 });
  });
});

describe("the cells of an import", () => {
  it("must be there: else nothing goes in, and the preview says so", async () => {
    const cellId = await makeCell();
    const files = [
      sdFile("POWER_VOLTAGE", cellId, [0], () => 1),
      sdFile("POWER_CURRENT", 987_654, [0], () => 1),
    ];
    const { report } = await preview(files);
    expect(report.cells).toMatchObject([
      { id: cellId, problem: null },
      { id: 987_654, name: null, problem: expect.stringMatching(/no such cell/) },
    ]);
    const added = await rowsAdded(api.db, async () => {
      await expect(run(files)).rejects.toThrow(/nothing was imported.* cell 987654: there is no/);
    });
    expect(added).toEqual({});
    expect((await run(files, { cellId })).report.readings.new).toBe(2);
  });

  it("must be the importer's to write to, and private ones of others aren't there at all", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const own = await makeCell({ userId: ada.id });
    const [seen, hidden] = [
      await makeCell({ userId: bob.id }),
      await makeCell({ userId: bob.id, visibility: "private" }),
    ];
    const files = [own, seen, hidden].map((id) => sdFile("POWER_VOLTAGE", id, [0], () => 1));
    const importer = { userId: ada.id, admin: false };
    const { report } = await preview(files, { importer });
    expect(report.cells.map(({ name, problem }) => [name !== null, problem])).toEqual([
      [true, null],
      [true, expect.stringMatching(/owner and editors/)],
      [false, expect.stringMatching(/no such cell/)],
    ]);
    expect(report.readings).toEqual({ new: 1, repeated: 0, conflicting: 0 });
    await expect(run(files, { importer })).rejects.toMatchObject({ kind: "not_found" });
    await expect(run(files.slice(0, 2), { importer })).rejects.toMatchObject({ kind: "forbidden" });
    expect((await run(files.slice(0, 1), { importer })).report.readings.new).toBe(1);
  });

  it.each([
    ["whose importer's role is taken away", removeMember, "forbidden", /only its owner and edit/],
    ["that is deleted", deleteCell, "not_found", /no such cell/],
  ] as const)("take no more from the middle of an import on: one %s", async (_, act, kind, why) => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const cellId = await makeCell({ userId: ada.id });
    await setMember(api.db, cellId, bob.id, "editor");
    const places = Array.from({ length: 30_000 }, (__, at) => at);
    const file = onceStored(
      cellId,
      sdFile("POWER_VOLTAGE", cellId, places, (at) => at),
      async () => {
        await act(api.db, cellId, bob.id);
      },
    );
    const importing = run([file], { importer: { userId: bob.id, admin: false } });
    await expect(importing).rejects.toMatchObject({ kind, message: expect.stringMatching(why) });
    await expect(importing).rejects.toThrow(/^only a part was imported/);
  });
});

/** A file of which something is done while it is read, as soon as some of it is stored. */
function onceStored(cellId: number, file: StoredFile, act: () => Promise<void>): StoredFile {
  let done: Promise<void> | undefined;
  return {
    ...file,
    async *read(signal) {
      for await (const block of file.read(signal)) {
        if (await isStored(cellId)) await (done ??= act());
        yield block;
      }
    },
  };
}

function roomFor(free_bytes: number): KeepRoom {
  let left_bytes = free_bytes;
  return async (bytes) => {
    left_bytes -= bytes;
    if (left_bytes < 0) throw new Error("the disk is full");
  };
}

async function vwcOf(cellId: number) {
  const stored = await api.db
    .selectFrom("reading")
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select("value")
    .where("cell_id", "=", cellId)
    .orderBy("ts")
    .execute();
  return stored.map(({ value }) => value);
}

async function isStored(cellId: number): Promise<boolean> {
  const found = await api.db
    .selectFrom("reading")
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select("ts")
    .where("cell_id", "=", cellId)
    .limit(1)
    .execute();
  return found.length > 0;
}

let cells = 0;

async function makeCell(more: object = {}): Promise<number> {
  const cell = await createCell(api.db, {
    name: `files ${++cells}`,
    uploadPolicy: "open",
    ...more,
  });
  return cell.id;
}

async function store(cellId: number, places: readonly number[], valueOf: (at: number) => number) {
  await writeReadings(
    api.db,
    places.map((at) => ({
      cellId,
      stream: powerStreams.v,
      dataType: "float",
      ts: start + at * step_s,
      value: valueOf(at),
      receivedAt: start,
      loggerId: null,
    })),
  );
}

function sdFile(
  name: string,
  cellId: number,
  places: readonly number[],
  valueOf: (at: number) => number,
): StoredFile {
  const rows = places.map((at) => `${start + at * step_s},${cellId},3,${valueOf(at).toFixed(9)}\n`);
  return fileOf(`${name}.csv`, `unix_time (s),cell_id,logger_id,${name}\n${rows.join("")}`);
}

async function orderOf(
  files: readonly StoredFile[],
  more: Partial<FileImport>,
): Promise<FileImport> {
  const understanding = { format: undefined, mapping: more.mapping };
  const plan = await planImport(files, understanding, readOrder.signal);
  const order = { ...readOrder, vwcUnit: undefined, plan, importer: everything };
  const usual = { clock: () => api.now, keepRoom: watchRoom(undefined), onProgress: () => {} };
  return { ...order, ...usual, ...more };
}

async function preview(files: readonly StoredFile[], more: Partial<FileImport> = {}) {
  return await watch(async () => await previewImport(api.db, await orderOf(files, more)));
}

async function run(files: readonly StoredFile[], more: Partial<FileImport> = {}) {
  return await watch(async () => await runFileImport(api.db, await orderOf(files, more)));
}

async function watch<T>(act: () => Promise<T>) {
  let report: T | undefined;
  const added = await rowsAdded(api.db, async () => (report = await act()));
  return { report: report!, added };
}
