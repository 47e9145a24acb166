import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { listDeeds } from "../../src/store/audit.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger, listLoggers } from "../../src/store/loggers.ts";
import { runAlone } from "../../src/store/legacy/here.ts";
import { createUser, findUserByEmail } from "../../src/store/users.ts";
import { useApi } from "../support/api.ts";
import { readSensor } from "../support/cells.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { ada, fillOldBackend, noon, useOldBackend } from "../support/old-backend.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const old = useOldBackend();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));

/** 120,000 readings of one cell, of which power follows. */
const many = `
  insert into cell (id, name) values (1, 'a');
  insert into power_data (cell_id, ts, ts_server, voltage, current)
    select 1, timestamp '2024-01-15' + nth * interval '1 second', now(), nth % 997 / 1000.0, nth % 89 / 1e6
    from generate_series(1, 60000) as nth`;

beforeEach(async () => {
  await sql`truncate account, cell, logger, tag, reading, reading_conflict, rollup_hour, rollup_day,
    deleted_cell, deleted_sensor, legacy_object, legacy_cell restart identity cascade`.execute(
    api.db,
  );
  await old.rebuild();
});

describe("ents-backend import legacy", () => {
  it("brings over people, cells, loggers, tags and readings, which the API shows as the old one did", async () => {
    await fillOldBackend(old);
    const { code, stdout, stderr } = await run();
    expect([stderr, code]).toEqual(["", 0]);
    expect(stdout).toMatch(
      "Made 2 users, 2 cells, 1 logger, 1 tag; 1 editor.\nNothing is left out.",
    );
    expect(stdout).toMatch(/cell 7: fractions, × 100 \(1 value from 0 to 1, 0 over 1\)/);
    expect(stdout).toMatch("Every reading of the old backend is the same here.");

    const cells = (await api.get("/api/cell/")).json<object[]>();
    expect(cells).toEqual([
      expect.objectContaining({
        id: 3,
        name: "Plot A",
        location: "by the creek",
        latitude: 36.99,
        longitude: -122.06,
        archive: true,
        user_id: (await findUserByEmail(api.db, "ada@example.org"))!.id,
        upload_policy: "open",
        visibility: "public",
        tags: [{ id: 5, name: "soil" }],
      }),
      expect.objectContaining({ id: 7, archive: false, user_id: null, upload_policy: "open" }),
    ]);
    expect(await listLoggers(api.db)).toMatchObject([
      { id: 4, name: "node 4", type: "ents", date_created: new Date("2023-05-06T07:08:09Z") },
    ]);
    const span = "startTime=2024-01-15&endTime=2024-01-16&resample=none";
    expect((await api.get(`/api/power/3?${span}`)).json()).toEqual({
      timestamp: ["Mon, 15 Jan 2024 12:00:00 GMT", "Mon, 15 Jan 2024 12:00:10 GMT"],
      v: [850, 500],
      i: [120, 200],
      p: [102, 100],
    });
    expect((await api.get(`/api/teros/7?${span}`)).json()).toMatchObject({
      vwc: [20],
      temp: [10.5],
      ec: [100],
      raw_vwc: [2000],
    });
    expect(await readSensor(api, 7, ["teros12", "waterPot"])).toMatchObject({
      data: [-3],
      unit: "kPa",
    });
    expect(await readSensor(api, 7, ["bme280", "humidity"])).toEqual({
      timestamp: [noon],
      data: [65],
      measurement: "humidity",
      unit: "%",
      type: "float",
    });
    const streamed = await api.get(
      `/api/power/3?startTime=2024-01-16&endTime=2024-01-17&stream=true`,
    );
    expect(streamed.json()).toMatchObject({ v: [850] });
  });

  it("stores who made what, when, with which logger and when it came", async () => {
    await fillOldBackend(old);
    await run();
    const { id } = (await findUserByEmail(api.db, "ada@example.org"))!;
    expect(await findUserByEmail(api.db, "ada@example.org")).toMatchObject({
      email: "ada@example.org",
      first_name: "Ada",
      password_hash: null,
      email_verified: false,
    });
    const [tag] = await api.db.selectFrom("tag").selectAll().execute();
    expect(tag).toMatchObject({
      id: 5,
      created_by: id,
      created_at: new Date("2024-02-03T04:05:06Z"),
    });
    expect(await api.db.selectFrom("logger").select("device_eui").execute()).toEqual([
      { device_eui: "0080E1150546D093" },
    ]);
    const members = await api.db.selectFrom("cell_member").select(["cell_id", "role"]).execute();
    expect(members).toEqual([{ cell_id: 3, role: "editor" }]);
    const { rows } = await sql`
      select received_at, logger_id from reading join sensor on sensor.id = sensor_id
      where cell_id = 3 and name = 'POWER_VOLTAGE' order by ts`.execute(api.db);
    expect(rows).toEqual([
      { received_at: new Date("2024-01-16T00:00:01Z"), logger_id: 4 },
      { received_at: new Date("2024-01-15T12:00:10Z"), logger_id: null },
    ]);
    const deeds = await listDeeds(api.db, { limit: 100 });
    const made = deeds.filter(({ actor }) => actor === "command line");
    expect(made.map(({ action, object_type }) => `${action} ${object_type}`).slice(0, 7)).toEqual([
      "share cell",
      "create tag",
      "create logger",
      "create cell",
      "create cell",
      "create user",
      "create user",
    ]);
  });

  it("numbers what is made later behind what came over", async () => {
    await fillOldBackend(old);
    await run();
    expect((await createCell(api.db, { name: "new", uploadPolicy: "key" })).id).toBe(8);
    expect((await createLogger(api.db, { name: "new" })).id).toBe(5);
  });

  it("lets nodes go on: an upload for an old cell is stored beside what came over", async () => {
    await fillOldBackend(old);
    await run();
    const message = [
      { meta: { cellId: 3, loggerId: 4, ts: noon + 60 }, type: 1, value: decimal(900) },
    ];
    expect((await api.postBytes(encodeVersion2(message), version2)).statusCode).toBe(200);
    expect((await run()).code).toBe(0);
    const { v } = (
      await api.get("/api/power/3?startTime=2024-01-15&endTime=2024-01-16&resample=none")
    ).json<{
      v: number[];
    }>();
    expect(v).toEqual([850, 500, 900]);
  });

  it("says what it would do and changes nothing, on a dry run", async () => {
    await fillOldBackend(old);
    let result: Finished | undefined;
    const added = await rowsAdded(api.db, async () => {
      result = await run("--dry-run");
    });
    expect(added).toEqual({});
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result!.stdout).toMatch(/2 users, 2 cells, 1 logger and 1 tag; 10 readings would come/);
    expect(result!.stdout).toMatch(/3 \(Plot A\) +power\.v +2 +2 +4\n/);
    expect(result!.stdout).toMatch("Nothing is in the way. Nothing was changed.");
  });
});

describe("what is in the way", () => {
  it("is told of all at once, and nothing comes over", async () => {
    await createCell(api.db, { name: "mine", uploadPolicy: "key" });
    await createCell(api.db, { name: "Plot B", uploadPolicy: "key" });
    await createLogger(api.db, { name: "node 9" });
    await createUser(api.db, {
      email: "Ada@example.org",
      firstName: "?",
      lastName: "",
      passwordHash: "x",
    });
    await old.run(`
      insert into "user" (id, email) values ('${ada}', ' ada@EXAMPLE.org');
      insert into cell (id, name) values (1, 'a'), (5, 'plot b '), (6, 'Same'), (7, 'same'), (8, ' '), (0, 'zero');
      insert into logger (id, name) values (1, 'b')`);
    let result: Finished | undefined;
    const added = await rowsAdded(api.db, async () => {
      result = await run();
    });
    expect(added).toEqual({});
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result!.stderr.split("\n").map((line) => line.slice(0, 60))).toEqual([
      expect.stringMatching(/^ents-backend: nothing has come over, since this is in the w/),
      expect.stringMatching(/^ {2}cell 0 \(zero\): numbers are from 1 to/),
      expect.stringMatching(/^ {2}cell 1 \(a\): its number is that of "mine" here/),
      expect.stringMatching(/^ {2}cell 5 \(plot b \): its name is that of number 2 here/),
      expect.stringMatching(/^ {2}cell 7 \(same\): the old backend has the same name for/),
      expect.stringMatching(/^ {2}cell 8 \( \): it has no name/),
      expect.stringMatching(/^ {2}logger 1 \(b\): its number is that of "node 9" here/),
      expect.stringMatching(/^ {2}user ada@example\.org: there is an account with/),
      "",
    ]);
    expect((await run("--dry-run")).code).toBe(1);
  });

  it.each([
    ["another database", ["postgres://localhost:1/none"], /no connection to the old database/],
    ["no URL", ["somewhere"], /postgres:\/\/user:password@host\/name/],
    ["an unknown zone", [undefined, "--timezone", "Mars/Base"], /Mars\/Base is no time zone/],
    ["an unknown unit", [undefined, "--vwc-unit", "1=litres"], /a cell's number and one of/],
  ])("is %s, which it explains in one sentence", async (_, [url, ...options], message) => {
    const { code, stdout, stderr } = await finish(
      start([url ?? old.url, ...(options as string[])]),
    );
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it("is an old database that may not be read, and isn't taken for one that lacks what is hidden", async () => {
    const role = `reader_${randomUUID().replaceAll("-", "")}`;
    await old.run(`create role ${role} login password 'reader'; grant select on cell, "user" to ${role};
      do $$ begin execute format('grant usage on schema %I to ${role}', current_schema()); end $$`);
    const url = new URL(old.url);
    [url.username, url.password] = [role, "reader"];
    const { code, stderr } = await finish(start([url.href]));
    await old.run(`drop owned by ${role}; drop role ${role}`);
    expect(stderr).toMatch(
      /^ents-backend: the old database doesn't let us read it: .* logger; connect/,
    );
    expect(code).toBe(1);
  });

  it("is a database that isn't the old backend's", async () => {
    const { code, stderr } = await finish(start([api.databaseUrl]));
    expect([code, stderr]).toEqual([
      1,
      'ents-backend: this is no database of the old backend: it has no table "user"\n',
    ]);
  });
});

describe("a run that something breaks", () => {
  it(
    "says that the old database went away, and goes on the next time",
    { timeout: 60_000 },
    async () => {
      await old.run(many);
      const broken = finish(start([old.url]));
      await firstReadings();
      await disconnect("ents-backend import legacy");
      expect(await broken).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^ents-backend: the old database went away .* goes on from there\n$/,
        ),
      });
      expect((await run()).code).toBe(0);
      expect(await countReadings()).toBe(180_000);
    },
  );

  it("is alone: another one ends at once", async () => {
    const second = await runAlone(api.db, async () => await run());
    expect(second).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/another .* is under way/),
    });
  });
});

describe("a second run", () => {
  it.each([
    ["SIGINT", 130, null],
    ["SIGKILL", null, "SIGKILL"],
  ] as const)(
    "goes on where %s has stopped it",
    { timeout: 120_000 },
    async (signal, code, killedBy) => {
      await old.run(many);
      const child = start([old.url]);
      const stopped = finish(child);
      await firstReadings();
      child.kill(signal);
      expect(await stopped).toMatchObject({ code, signal: killedBy });
      const before = await countReadings();
      expect(before).toBeLessThan(180_000);

      const { stdout } = await run("--json");
      const { agrees, cells } = JSON.parse(stdout) as {
        agrees: boolean;
        cells: { readings: { new: number; repeated: number } }[];
      };
      expect(agrees).toBe(true);
      expect(await countReadings()).toBe(180_000);
      // Power is made of the two others, which are all that is counted; a batch may be read again, and PostgreSQL may yet
      // have committed what the dead one had sent last.
      expect(cells[0]!.readings.new).toBeLessThanOrEqual(((180_000 - before) / 3) * 2);
      expect(cells[0]!.readings.repeated).toBeLessThanOrEqual(25_000);
    },
  );
});

/** Waits until the first readings have come over. */
async function firstReadings(): Promise<void> {
  for (let tries = 0; (await countReadings()) === 0; tries += 1) {
    if (tries > 1000) throw new Error("no reading came over");
    await sleep(20);
  }
}

async function disconnect(application: string): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${application}`.execute(
    api.db,
  );
}

async function countReadings(): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from reading`.execute(
    api.db,
  );
  return rows[0]!.count;
}

interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...options: readonly string[]): Promise<Finished> {
  return await finish(start([old.url, ...options]));
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [program, "import", "legacy", ...args], {
    env: { ...process.env, DATABASE_URL: api.databaseUrl },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function finish(child: ChildProcess): Promise<Finished> {
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  return { code, signal, stdout, stderr };
}
