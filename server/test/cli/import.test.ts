import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { powerStreams, terosStreams } from "@ents-backend/schemas/measurement";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { useDatabase } from "../support/database.ts";
import { holdReading } from "../support/held-reading.ts";
import { reading } from "../support/new-readings.ts";
import { writeReadings } from "../support/write-readings.ts";
import { waitUntil } from "../support/wait-until.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const sample = fileURLToPath(new URL("../fixtures/rocketlogger.csv", import.meta.url));
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ents-import-"));
  await createLogger(database.db, { name: "rocket1" });
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe("ents-backend import rocketlogger", () => {
  it("says what it has done, and the second time that there was nothing to do", async () => {
    const { id } = await makeCell("Plot 7");
    const place = ["--cell", "plot 7", "--logger", "ROCKET1"];
    const first = await run([sample, ...place]);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(`cells:\n  ${id} (Plot 7)  36 readings`);
    expect(first.stdout).toMatch("loggers:\n  1 (rocket1)  36 readings");
    expect(first.stdout).toMatch(/36 new, 0 repeated, 0 conflicting/);
    expect(first.stdout).toMatch(/2024-02-29T21:00:00.000Z to 2024-03-01T02:00:00.000Z/);
    expect(first.stdout).toMatch(/VWC in fraction: no value is over 1/);

    const second = await run([sample, ...place]);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout).toMatch(
      /0 new, 36 repeated[^]*Nothing new: there was a reading for every instant/,
    );
  });

  it("prints the report as JSON", async () => {
    const { id } = await makeCell("json");
    const { stdout } = await run([sample, "--cell", String(id), "--logger", "1", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      finished: true,
      files: [
        {
          name: "rocketlogger.csv",
          format: "rocketlogger",
          rows: 6,
          bad_rows: 0,
          vwc_unit: "fraction",
          vwc_unit_because: "no value is over 1 (4 are positive)",
          ignored_columns: [],
        },
      ],
      readings: { new: 36, repeated: 0, conflicting: 0 },
      cells: [{ id, name: "json" }],
      loggers: [{ id: 1, name: "rocket1" }],
      earliest: "2024-02-29T21:00:00.000Z",
      latest: "2024-03-01T02:00:00.000Z",
    });
  });

  it("takes a number for a number before it takes it for a name", async () => {
    const { id } = await makeCell("a place");
    await makeCell(String(id));
    const { stdout } = await run([sample, "--cell", String(id), "--logger", "1", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ cells: [{ id }] });
  });

  it("tells of the first 20 bad rows, and counts the others", async () => {
    await makeCell("damaged");
    const bad = Array.from({ length: 25 }, () => "soon,1");
    const file = await makeFile(["timestamp,EC (uS/cm),Note", ...bad, "1700000000,1,dry"]);
    const result = await run([file, "--cell", "damaged", "--logger", "1"]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(
      /not read: Note[^]*26, of which 25 bad[^]*1 new[^]*25 bad rows did NOT go in/,
    );
    expect(result.stdout).toMatch(/file\.csv line 2: 2 fields where the header has 3/);
    expect(result.stdout.match(/file\.csv line/g)).toHaveLength(20);
    expect(result.stdout).toMatch("… and 5 more");
  });

  it("fails where no row can be read", async () => {
    await makeCell("in vain");
    const file = await makeFile(["timestamp,EC (uS/cm)", "soon,1"]);
    const args = [file, "--cell", "in vain", "--logger", "1"];
    const { code, stdout } = await run(args);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/No row of it could be read/)]);
  });

  it("reads standard input, and sees from it what VWC is in", async () => {
    await makeCell("pipe");
    const args = ["-", "--cell", "pipe", "--logger", "1"];
    const rows = ["timestamp,VWC (%)", "1700000000,34.5", "1700000001,0.5"].join("\n");
    expect(await run(args, rows)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^standard input: rocketlogger, 2 rows, VWC in percent/),
    });
    const { rows: stored } = await sql`
      select value from reading join sensor on sensor.id = sensor_id join cell on cell.id = cell_id
      where cell.name = 'pipe' order by ts`.execute(database.db);
    expect(stored).toEqual([{ value: 34.5 }, { value: 0.5 }]);
  });

  it.each([
    [
      "an unknown cell",
      [sample, "--cell", "nowhere", "--logger", "1"],
      /cell "nowhere".*cell list/,
    ],
    ["an unknown logger", [sample, "--cell", "here", "--logger", "9"], /logger "9".*logger list/],
    ["no file", ["none.csv", "--cell", "here", "--logger", "1"], /there is no file none\.csv/],
    ["a directory", [".", "--cell", "here", "--logger", "1"], /is a directory/],
    ["a program", [process.execPath, "--cell", "here", "--logger", "1"], /not a RocketLogger file/],
    ["no cell", [sample, "--logger", "1"], /--cell <cell>' not specified/],
  ])("explains %s in one sentence, and exits with 1", async (_, args, message) => {
    if (args.includes("here")) await makeCell("here").catch(() => undefined);
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it.each([
    ["SIGINT", 130, null],
    ["SIGKILL", null, "SIGKILL"],
  ] as const)("goes on where %s has stopped it", async (signal, code, killedBy) => {
    const { id } = await makeCell(`stopped by ${signal}`);
    const rows = Array.from({ length: 30_000 }, (_, at) => `${1_700_000_000 + at},${at}`);
    const file = await makeFile(["timestamp,EC (uS/cm)", ...rows]);
    const place = ["--cell", String(id), "--logger", "1"];
    await writeReadings(database.db, [reading(id, { stream: terosStreams.ec, ts: 1 })]);
    const held = await holdReading(database.db, id, 1_700_020_000);

    const child = start([file, ...place]);
    const finished = finish(child);
    await waitUntil(async () => (await countReadings(id)) > 1);
    child.kill(signal);
    if (signal === "SIGKILL") await finished;
    await held.release();
    const stopped = await finished;
    expect([stopped.code, stopped.signal]).toEqual([code, killedBy]);
    if (signal === "SIGINT") expect(stopped.stdout).toMatch(/Interrupted: what is counted as new/);

    // PostgreSQL may yet commit what the dead one had sent last.
    const before = await countReadings(id);
    const { stdout } = await run([file, ...place, "--json"]);
    const summary = JSON.parse(stdout) as { finished: boolean; readings: Record<string, number> };
    const { new: added, repeated, conflicting } = summary.readings;
    expect([summary.finished, added! + repeated!, conflicting]).toEqual([true, 30_000, 0]);
    expect(repeated).toBeGreaterThanOrEqual(before - 1);
    expect(await countReadings(id)).toBe(30_001);
  });

  it("says that the database went away, and goes on the next time", async () => {
    const { id } = await makeCell("cut off");
    await writeReadings(database.db, [reading(id, { stream: powerStreams.v, ts: 1_800_000_000 })]);
    const held = await holdReading(database.db, id, 1_700_000_002);
    const file = await makeFile([
      "timestamp,Voltage (mV)",
      ...[1, 2, 3].map((at) => `${1_700_000_000 + at},${at}`),
    ]);
    const args = [file, "--cell", String(id), "--logger", "1"];
    const child = start(args);
    const finished = finish(child);
    await held.cutWhoWaits();
    await held.release();
    expect(await finished).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: expect.stringMatching(
        /^ents-backend: the database went away; .* goes on from there\n$/,
      ),
    });
    expect((await run(args)).stdout).toMatch(/3 new, 0 repeated/);
  });

  it("has an example in its help", async () => {
    const { code, stdout } = await run(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Exit status:[^]*\$ ents-backend import rocketlogger july\.csv/);
  });
});

async function makeCell(name: string): Promise<{ id: number }> {
  return await createCell(database.db, { name, uploadPolicy: "open" });
}

async function makeFile(lines: readonly string[]): Promise<string> {
  const path = join(directory, "file.csv");
  await writeFile(path, `${lines.join("\n")}\n`);
  return path;
}

async function countReadings(cellId: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from reading join sensor on sensor.id = sensor_id
    where cell_id = ${cellId}`.execute(database.db);
  return rows[0]!.count;
}

interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], input = ""): Promise<Finished> {
  const child = start(args);
  child.stdin.end(input);
  return await finish(child);
}

function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [program, "import", "rocketlogger", ...args], {
    cwd: directory,
    env: { ...process.env, DATABASE_URL: database.url },
  });
  // It may end before it has read its input.
  child.stdin.on("error", () => {});
  return child;
}

async function finish(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}
