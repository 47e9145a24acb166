import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sensorType } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { checkRollup, rebuildRollup } from "../../src/timeseries/rollup.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { ramp, store } from "../support/series.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const stream = sensorType("BME280_TEMP");
const now = 1_705_363_200;
const start = 1_704_067_200;

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const options = { env: { ...process.env, DATABASE_URL: database.url } };
  return await promisify(execFile)(process.execPath, [program, "rollup", ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

async function write(cellId: number, readings: [ts: number, value: number | null][]) {
  await store({ db: database.db, now }, cellId, stream, readings);
}

/** The rollups of a cell, by what its sensor's readings come to. */
async function rollupsOf(table: "rollup_hour" | "rollup_day", cellId: number) {
  return await database.db
    .selectFrom(table)
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select(["bucket", "count", "readings", "sum", "min", "max"])
    .where("cell_id", "=", cellId)
    .orderBy("bucket")
    .execute();
}

async function sensorOf(cellId: number): Promise<number> {
  const sensor = database.db.selectFrom("sensor").select("id").where("cell_id", "=", cellId);
  return (await sensor.executeTakeFirstOrThrow()).id;
}

let cell = 0;
let before: unknown[] = [];
const both = async () => [
  await rollupsOf("rollup_hour", cell),
  await rollupsOf("rollup_day", cell),
];

beforeEach(async () => {
  cell = await newCell(database);
  await write(cell, [...ramp(start, 1800, 100), [start + 7, null], [start + 8, 1e200]]);
  await foldRollups(database.db);
  before = await both();
});

describe("ents-backend rollup check", () => {
  it("finds that rollups are what the readings come to", async () => {
    const { code, stdout } = await run("check", "--cell", String(cell));
    expect([code, stdout]).toEqual([
      0,
      "All 53 rollups of 1 sensor are what the readings come to.\n",
    ]);
  });

  it("tells which sensors' aren't, changes nothing, says how to mend it and fails", async () => {
    await sql`update rollup_hour set sum = sum + 1 where sensor_id = ${await sensorOf(cell)}
      and bucket = to_timestamp(${start})`.execute(database.db);
    const wrong = await both();
    const { code, stdout } = await run("check", "--cell", String(cell));
    expect(code).toBe(1);
    expect(stdout).toMatch(/cell +sensor +hour +day\n\d+ +BME280_TEMP +1 +0\n[^]*rollup rebuild/);
    expect(await both()).toEqual(wrong);
    const json = await run("check", "--json");
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      differing: [{ cell, sensor: "BME280_TEMP", hour: 1, day: 0 }],
    });
    await run("rebuild", "--cell", String(cell));
  });
});

describe("ents-backend rollup rebuild", () => {
  it.each([
    ["are missing", sql`delete from rollup_hour`],
    ["are of no readings", sql`update rollup_hour set bucket = bucket - interval '9 days'`],
    ["count wrongly", sql`update rollup_hour set count = count + 1, readings = 0`],
    ["have wrong bounds", sql`update rollup_hour set min = -1e9, max = null`],
  ])("makes those anew that %s, and no others", async (_, spoil) => {
    const other = await newCell(database);
    await write(other, [[start, 1]]);
    await foldRollups(database.db);
    await sql`${spoil} where sensor_id = ${await sensorOf(cell)}`.execute(database.db);
    await sql`delete from rollup_day where sensor_id = ${await sensorOf(other)}`.execute(
      database.db,
    );
    const { code, stdout } = await run("rebuild", "--cell", String(cell));
    expect(code).toBe(0);
    expect(stdout).toMatch(/Made \d+ rollups anew, of 1 of 1 sensor\.\n$/);
    expect(await both()).toEqual(before);
    expect(await rollupsOf("rollup_day", other)).toEqual([]);
    expect((await run("rebuild")).code).toBe(0);
    expect((await run("check")).code).toBe(0);
  });
});

it("makes rollups anew beside uploads, and misses none of them", async () => {
  const sensorId = await sensorOf(cell);
  const over = new AbortController();
  const uploads = (async () => {
    for (let at = 1; !over.signal.aborted; at++) await write(cell, [[start + at * 7 + 0.5, at]]);
  })();
  for (let round = 0; round < 15; round++) {
    const spoil =
      round % 2 ? sql`delete from rollup_hour` : sql`update rollup_hour set sum = 0, min = 0`;
    await sql`${spoil} where sensor_id = ${sensorId}`.execute(database.db);
    await rebuildRollup(database.db, sensorId, "hour");
  }
  over.abort();
  await uploads;
  await rebuildRollup(database.db, sensorId, "hour");
  for (const unit of ["hour", "day"] as const)
    expect((await checkRollup(database.db, sensorId, unit)).differing).toBe(0);
});
