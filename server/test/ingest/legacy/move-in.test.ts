import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { agrees, describeMove, moveToJson } from "../../../src/cli/import-legacy-summary.ts";
import { moveIn, type MoveInOrder } from "../../../src/ingest/legacy/move-in.ts";
import { watchRoom } from "../../../src/lib/disk.ts";
import { createCell } from "../../../src/store/cells.ts";
import { createDemo } from "../../../src/store/demo.ts";
import { OldDatabase } from "../../../src/store/legacy/old-database.ts";
import { listLoggers } from "../../../src/store/loggers.ts";
import { createUser, findUserByEmail } from "../../../src/store/users.ts";
import { useApi } from "../../support/api.ts";
import { readSensor } from "../../support/cells.ts";
import { ada, bob, fillOldBackend, noon, useOldBackend } from "../../support/old-backend.ts";
import { rowsAdded } from "../../support/rows.ts";

const api = useApi();
const old = useOldBackend();

beforeEach(async () => {
  await sql`truncate account, cell, logger, tag, reading, reading_conflict, rollup_hour, rollup_day,
    deleted_cell, deleted_sensor, legacy_object, legacy_cell restart identity cascade`.execute(
    api.db,
  );
  await old.rebuild();
});

describe("what an old database may lack or hold", () => {
  it("comes over without tables and columns that it hasn't got", async () => {
    await old.rebuild(
      "teros_data.raw_vwc",
      "teros_data.water_pot",
      "teros_data.ts_server",
      "user.api_key",
      "cell.archive",
      "cell_user",
      "cell_tag",
      "tag",
      "logger.date_created",
      "data",
      "sensor",
      "power_data.logger_id",
    );
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into logger (id, name) values (1, 'a');
      insert into power_data (cell_id, ts, voltage) values (1, '2024-01-15 12:00', 1);
      insert into teros_data (cell_id, ts, temp) values (1, '2024-01-15 12:00', 20)`);
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch("2 readings came, 0 doubled or here, 0 conflicting.");
    expect(await readSensor(api, 1, ["TEROS12_TEMP", "Temperature"])).toMatchObject({
      timestamp: [noon],
      data: [20],
    });
  });

  it("is one tag of a cell where two of it are the same word", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a'), (2, 'b');
      insert into tag (id, name) values (4, 'Soil'), (5, ' soil '), (6, 'wet');
      insert into cell_tag values (1, 4), (1, 5), (1, 6), (2, 5)`);
    const { code } = await run();
    expect(code).toBe(0);
    const cells = (await api.get("/api/cell/")).json<{ tags: object[] }[]>();
    const [soil, wet] = [
      { id: 4, name: "Soil" },
      { id: 6, name: "wet" },
    ];
    expect(cells.map(({ tags }) => tags)).toEqual([[soil, wet], [soil]]);
  });

  it("is told of, row by row, where it can't come", async () => {
    await old.run(`
      insert into "user" (id, email) values ('${ada}', null);
      insert into cell (id, name, user_id, latitude) values (1, 'a', '${ada}', 1e9);
      insert into cell_user values (1, '${bob}'), (9, '${ada}');
      insert into cell_tag values (1, 9);
      insert into sensor values (1, 1, 'state', 'text', '', 'valve'), (2, 8, 'x', 'float', '', 'x');
      insert into power_data (cell_id, ts, voltage) values
        (9, '2024-01-15 12:00', 1), (null, '2024-01-15 12:00', 1), (1, '2024-01-15 12:00', null),
        (1, '1969-01-15 12:00', 1), (1, 'infinity', 1), (1, null, 1);
      insert into data (sensor_id, ts, text_val, float_val) values
        (1, '2024-01-15 12:00', 'open', null), (1, '2024-01-15 12:01', 'shut', null),
        (1, '2024-01-15 12:02', null, null), (2, '2024-01-15 12:02', null, 1),
        (3, '2024-01-15 12:02', null, 1), (1, '2024-01-15 12:03', 'both', 5)`);
    const { code, json } = await run();
    expect(code).toBe(0);
    const { left_out, cells } = JSON.parse(json) as { left_out: object[]; cells: object[] };
    expect(left_out.map((one) => Object.values(one).join(" | "))).toEqual([
      `user | it has no e-mail address | ${ada} | 1 | 0 | 0`,
      "cell | it comes without an owner: theirs is no account here |  | 1 | 1 | 1",
      "cell | it comes without its position, which is none on earth |  | 1 | 1 | 1",
      "cell_user | its cell is not there |  | 1 | 9 | 9",
      "cell_user | its user is no account here |  | 1 | 1 | 1",
      "cell_tag | its cell or its tag is not there |  | 1 | 1 | 1",
      "power_data | it has no time | cell 1 | 1 | 6 | 6",
      "power_data | it holds no value | cell 1 | 1 | 3 | 3",
      "power_data | it names no cell |  | 1 | 2 | 2",
      "power_data | its cell is not there | cell 9 | 1 | 1 | 1",
      "power_data | its time is none that a reading can have (1970 to 9999) | cell 1 | 2 | 4 | 5",
      "data | it holds no value | sensor 1 | 1 | 3 | 3",
      "data | it is text, and readings are numbers | sensor 1 | 2 | 1 | 2",
      "data | its sensor is not there | sensor 3 | 1 | 5 | 5",
      "data | the cell of its sensor is not there | sensor 2 | 1 | 4 | 4",
    ]);
    expect(cells).toMatchObject([{ id: 1, readings: { new: 1, repeated: 0, conflicting: 0 } }]);
  });

  it("is stored as a reading without a value where it is no number, and as nothing where it is null", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into power_data (cell_id, ts, voltage, current) values
        (1, '2024-01-15 12:00', 'NaN', 'Infinity'), (1, '2024-01-15 12:01', 1e307, null)`);
    expect((await run()).code).toBe(0);
    expect(await readSensor(api, 1, ["POWER_VOLTAGE", "Voltage"])).toMatchObject({
      data: [null, null],
    });
    expect(await readSensor(api, 1, ["POWER_CURRENT", "Current"])).toMatchObject({ data: [null] });
  });

  it("becomes one where it is doubled, and a conflict where it differs: the first stays", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a'), (1, 'a');
      insert into sensor values (1, 1, 'voltage', 'float', 'V', 'power'), (2, 1, 'current', 'float', 'A', 'power'),
        (2, 1, 'current', 'float', 'A', 'power'), (3, 1, 'Voltage', 'float', 'mV', 'POWER_VOLTAGE');
      insert into power_data (id, cell_id, ts, voltage, current) values
        (2, 1, '2024-01-15 12:00', 9, 1e-6), (1, 1, '2024-01-15 12:00', 0.5, 1e-6), (3, 1, '2024-01-15 12:00', 0.5, 1e-6);
      insert into data (sensor_id, ts, float_val) values
        (1, '2024-01-15 12:00', 0.5), (2, '2024-01-15 12:00', 1e-6), (3, '2024-01-15 12:00', 500),
        (3, '2024-01-15 12:01', 700)`);
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/3 readings came, 6 doubled or here, 1 conflicting/);
    expect(stdout).toMatch(/power\.v +6 +2 /);
    const span = "startTime=2024-01-15&endTime=2024-01-16&resample=none";
    expect((await api.get(`/api/power/1?${span}`)).json()).toMatchObject({
      v: [500, 700],
      i: [1, null],
      p: [0.5, null],
    });
    const conflicts = await api.db
      .selectFrom("reading_conflict")
      .select(["value", "kept_value"])
      .execute();
    expect(conflicts).toEqual([{ value: 9000, kept_value: 500 }]);
  });

  it("finds its stream by version, name and unit", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into sensor values
        (1, 1, 'Voltage', 'float', 'mV', 'POWER_VOLTAGE'), (2, 1, 'Current', 'float', 'µA', 'POWER_CURRENT'),
        (3, 1, 'Volumetric Water Content', 'float', '%', 'TEROS12_VWC_ADJ'), (4, 1, 'ec', 'int', 'µS/cm', 'teros12'),
        (5, 1, 'Temperature', 'int', 'C', 'TEROS21_TEMP'), (6, 1, 'depth', 'float', 'm', 'well'),
        (7, 1, 'vwcRaw', 'float', 'V', 'teros12');
      insert into data (sensor_id, ts, float_val, int_val) values
        (1, '2024-01-15 12:00', 400, null), (2, '2024-01-15 12:00', 100, null), (3, '2024-01-15 12:00', 34.5, null),
        (4, '2024-01-15 12:00', null, 120), (5, '2024-01-15 12:00', null, -15), (6, '2024-01-15 12:00', 2.5, null),
        (7, '2024-01-15 12:00', 1900, null)`);
    expect((await run()).code).toBe(0);
    const span = "startTime=2024-01-15&endTime=2024-01-16&resample=none";
    expect((await api.get(`/api/power/1?${span}`)).json()).toMatchObject({
      v: [400],
      i: [100],
      p: [40],
    });
    expect((await api.get(`/api/teros/1?${span}`)).json()).toMatchObject({
      vwc: [34.5],
      ec: [120],
      raw_vwc: [1900],
    });
    expect(await readSensor(api, 1, ["TEROS21_TEMP", "Temperature"])).toMatchObject({
      data: [-15],
      type: "int",
    });
    expect(await readSensor(api, 1, ["well", "depth"])).toMatchObject({ data: [2.5], unit: "m" });
  });

  it.each([
    ["fraction", "0.2, 1, -1.3", [20, 100, -130]],
    ["percent", "20, 34, -1.3", [20, 34, -1.3]],
    ["each", "0.2, 34, -1.3", [20, 34, -1.3]],
  ])("holds VWC as %s, which the values of a cell tell together", async (rule, values, stored) => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into teros_data (cell_id, ts, vwc)
        select 1, timestamp '2024-01-15 12:00' + nth * interval '1 minute', value
        from unnest(array[${values}]::float8[]) with ordinality as given (value, nth)`);
    const { json } = await run();
    expect(JSON.parse(json)).toMatchObject({ agrees: true, cells: [{ vwc_unit: rule }] });
    const { data } = await readSensor(api, 1, ["TEROS12_VWC_ADJ", "Volumetric Water Content"]);
    expect(data).toEqual(stored);
  });

  it("holds VWC as it is told to, once and for all", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into teros_data (cell_id, ts, vwc) values (1, '2024-01-15 12:00', 0.5)`);
    expect((await run({ vwcRules: new Map([[1, "percent"]]) })).code).toBe(0);
    expect(await readSensor(api, 1, ["TEROS12_VWC_ADJ", "Volumetric Water Content"])).toMatchObject(
      { data: [0.5] },
    );
    await old.run(`insert into teros_data (cell_id, ts, vwc) values (1, '2024-01-15 12:01', 0.25)`);
    expect((await run()).code).toBe(0);
    expect(await readSensor(api, 1, ["TEROS12_VWC_ADJ", "Volumetric Water Content"])).toMatchObject(
      { data: [0.5, 0.25] },
    );
    await expect(run({ vwcRules: new Map([[1, "fraction"]]) })).rejects.toThrow(
      /^cell 1: its VWC came over as percent before/,
    );
  });

  it("is private where its cell was", async () => {
    await old.run(`alter table cell add column is_public bool;
      insert into cell (id, name, is_public) values (1, 'hidden', false), (2, 'shown', true), (3, 'old', null)`);
    expect((await run()).code).toBe(0);
    expect((await api.get("/api/cell/")).json()).toMatchObject([{ id: 2 }, { id: 3 }]);
  });

  it("has times of its server's zone; one that a clock shows twice is the later one", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into power_data (cell_id, ts, ts_server, voltage) values
        (1, '2024-07-01 12:00', '2024-07-01 12:00:01', 1), (1, '2024-11-03 01:30', '2024-11-03 01:30:01', 2)`);
    const { code } = await run({ timezone: "america/los_angeles" });
    expect(code).toBe(0);
    const { rows } = await sql`select ts, received_at from reading order by ts`.execute(api.db);
    expect(rows).toEqual([
      { ts: new Date("2024-07-01T19:00:00Z"), received_at: new Date("2024-07-01T19:00:01Z") },
      { ts: new Date("2024-11-03T09:30:00Z"), received_at: new Date("2024-11-03T09:30:01Z") },
    ]);
  });
});

describe("what is here already", () => {
  it("owns what comes over, as an account whose owner is known, or one that nobody can log in to", async () => {
    await createUser(api.db, {
      email: "ADA@example.org",
      firstName: "Ada",
      lastName: "",
      passwordHash: "x",
      emailVerified: true,
    });
    await createUser(api.db, { email: "bob@example.org", firstName: "Bob", lastName: "" });
    await fillOldBackend(old);
    const { stdout } = await run();
    expect(stdout).toMatch("Made 0 users (2 known), 2 cells");
    const { id } = (await findUserByEmail(api.db, "ada@example.org"))!;
    expect((await api.get("/api/cell/3")).json()).toMatchObject({ user_id: id });
  });

  it("owns it too, as an account that the operator trusts", async () => {
    await createUser(api.db, {
      email: "ada@example.org",
      firstName: "?",
      lastName: "",
      passwordHash: "x",
    });
    await fillOldBackend(old);
    await expect(run()).rejects.toThrow(/say --trust-accounts$/);
    expect((await run({ trusted: true })).code).toBe(0);
    // From then on it is known whose it is.
    expect((await run()).code).toBe(0);
  });

  it("makes way, as a demo that nobody has used", async () => {
    await createDemo(api.db);
    await old.run(
      `insert into cell (id, name) values (1, 'a'); insert into logger (id, name) values (1, 'b')`,
    );
    expect((await run()).code).toBe(0);
    expect((await api.get("/api/cell/1")).json()).toMatchObject({ name: "a" });
    expect(await listLoggers(api.db)).toMatchObject([{ id: 1, name: "b" }]);
  });

  it("is taken for the old one, as a cell of the same number and name", async () => {
    await createCell(api.db, { name: "PLOT A", uploadPolicy: "key" });
    await old.run(`insert into cell (id, name) values (1, 'Plot A')`);
    expect((await run()).code).toBe(0);
    expect((await api.get("/api/cell/1")).json()).toMatchObject({
      name: "PLOT A",
      upload_policy: "key",
    });
  });
});

describe("a second run", () => {
  it("brings what came since, late rows included, and leaves what was changed here as it is", async () => {
    await fillOldBackend(old);
    await run();
    await sql`update cell set name = 'renamed' where id = 3`.execute(api.db);
    await sql`delete from cell where id = 7`.execute(api.db);
    await old.run(`
      insert into cell (id, name) values (20, 'later');
      insert into power_data (cell_id, ts, voltage, current) values
        (3, '2023-01-01 00:00', 0.25, 4e-6), (20, '2024-01-15 12:00', 1, 1e-6)`);
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Made 0 users \(2 known\), 1 cell \(2 known\), 0 loggers \(1 known\)/);
    expect(stdout).toMatch(/cell: 1 row, number 7: it was deleted here/);
    expect(stdout).toMatch("4 readings came, 0 doubled or here, 0 conflicting.");
    expect((await api.get("/api/cell/3")).json()).toMatchObject({ name: "renamed" });
    expect((await api.get("/api/cell/7")).statusCode).toBe(404);
    const early = "startTime=2023-01-01&endTime=2023-01-02&resample=none";
    expect((await api.get(`/api/power/3?${early}`)).json()).toMatchObject({
      v: [250],
      i: [4],
      p: [1],
    });
    expect((await run()).stdout).toMatch("0 readings came, 0 doubled or here");
  });

  it("finds a row that was committed after one with a greater number", async () => {
    await old.run(`
      insert into cell (id, name) values (1, 'a');
      insert into power_data (id, cell_id, ts, voltage) values (5, 1, '2024-01-15 12:00', 1)`);
    await run();
    await old.run(
      "insert into power_data (id, cell_id, ts, voltage) values (4, 1, '2024-01-15 12:01', 2)",
    );
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch("1 reading came, 1 doubled or here, 0 conflicting.");
    expect(await readSensor(api, 1, ["POWER_VOLTAGE", "Voltage"])).toMatchObject({
      data: [1000, 2000],
    });
  });

  it("is refused in another zone than before, since all would come again", async () => {
    await fillOldBackend(old);
    await run({ timezone: "America/Los_Angeles" });
    const added = await rowsAdded(api.db, async () => {
      await expect(run()).rejects.toMatchObject({
        code: "other_zone",
        message: expect.stringMatching(/as America\/Los_Angeles before, .* as UTC now/) as string,
      });
    });
    expect(added).toEqual({});
    expect((await run({ timezone: "america/los_angeles" })).code).toBe(0);
  });

  it("is refused of another old backend, whose numbers mean something else", async () => {
    await fillOldBackend(old);
    await run();
    await old.run(`update "user" set id = gen_random_uuid()`);
    const added = await rowsAdded(api.db, async () => {
      await expect(run()).rejects.toThrow(/another old backend came over before/);
    });
    expect(added).toEqual({});
  });

  it("tells when a reading here isn't what it is there", async () => {
    await fillOldBackend(old);
    await run();
    await sql`update reading set value = 1 where value = 850`.execute(api.db);
    const { code, stdout } = await run();
    expect(code).toBe(1);
    expect(stdout).toMatch(/power\.v .* 1 had another value here/);
    expect(stdout).toMatch("Not every reading of the old backend is the same here");
  });
});

/** @returns the report as it is told, and the exit status that goes with it */
async function run({
  timezone = "UTC",
  ...order
}: Partial<Pick<MoveInOrder, "trusted" | "vwcRules">> & { timezone?: string } = {}) {
  const database = await OldDatabase.open(old.url, timezone);
  try {
    const actor = { name: "command line", userId: undefined, address: undefined };
    const keepRoom = watchRoom(undefined);
    const deps = { db: api.db, old: database, keepRoom, clock: () => api.now, actor };
    const rest = { signal: new AbortController().signal, onProgress: () => undefined };
    const report = await moveIn(deps, { trusted: false, vwcRules: new Map(), ...rest, ...order });
    return { code: agrees(report) ? 0 : 1, stdout: describeMove(report), json: moveToJson(report) };
  } finally {
    await database.close();
  }
}
