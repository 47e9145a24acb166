import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { migrate } from "../../src/db/migrate.ts";
import { listTables } from "../../src/store/backup/contents.ts";
import { newCell } from "../support/cells.ts";
import { useEmptyDatabases } from "../support/empty-databases.ts";
import { allRows } from "../support/everything.ts";
import { openJournal } from "../support/journal.ts";
import { silentLog } from "../support/log.ts";

const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const newDatabase = useEmptyDatabases();
/** So many that a backup of them can be stopped in its middle. */
const many = 200_000;

let root: string;
let large: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "ents-backup-"));
  large = await newDatabase();
  await using(large, async (db) => {
    await migrate(db, silentLog);
    await newCell({ db });
    await sql`insert into reading (ts, value, received_at, sensor_id)
      select to_timestamp(n), random(), now(), 1 from generate_series(1, ${many}) as n`.execute(db);
  });
});
afterEach(async () => {
  for (const child of running.splice(0).filter((one) => one.exitCode === null && !one.signalCode)) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
});
afterAll(async () => await rm(root, { recursive: true }));

async function using<T>(url: string, use: (db: Db) => Promise<T>): Promise<T> {
  const db = connect(url, silentLog);
  try {
    return await use(db);
  } finally {
    await db.destroy();
  }
}

/** Which database a command uses, and the data directory beside it. */
type Place = { readonly DATABASE_URL: string } | { readonly DATA_DIR: string };

function begin(
  place: Place,
  ...args: string[]
): ChildProcess & Record<"stdout" | "stderr", Readable> {
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...env, DATA_DIR: join(root, "none"), PORT: "0", LOG_LEVEL: "silent", ...place },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A command that refuses its input may end before it has all of it.
  child.stdin.on("error", () => undefined);
  running.push(child);
  return child;
}

async function endOf(child: ReturnType<typeof begin>) {
  const [stdout, stderr, [code, signal]] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null, string | null]>,
  ]);
  return { stdout, said: stdout.toString().trim(), stderr: stderr.trim(), code, signal };
}

async function run(place: Place, ...args: string[]) {
  const child = begin(place, ...args);
  child.stdin?.end();
  return await endOf(child);
}

async function start(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const child = begin({ DATA_DIR: dataDir }, "start");
  child.stderr.resume();
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listens on (\S+)/.exec(line)?.[1];
    if (url) return { child, url };
  }
  throw new Error("the server didn't start");
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await once(child, "exit");
}

const tablesIn = async (url: string) => await using(url, async (db) => (await listTables(db)).ours);
const fileIn = async (folder: string) => join(await mkdtemp(join(root, folder)), "it.backup");

async function isCopying(url: string): Promise<boolean> {
  const name = new URL(url).pathname.slice(1);
  // Over a connection to another database: restore refuses one that somebody is connected to.
  const { rows } = await using(
    large,
    async (db) =>
      await sql`select from pg_stat_progress_copy where datname = ${name} and tuples_processed > 1000`.execute(
        db,
      ),
  );
  return rows.length > 0;
}

async function half(name: string): Promise<Buffer> {
  const bytes = await readFile(name);
  return bytes.subarray(0, bytes.length / 2);
}

async function written(bytes: Buffer): Promise<string> {
  const name = await fileIn("made-");
  await writeFile(name, bytes);
  return name;
}

describe("ents-backend backup", () => {
  it(
    "writes the embedded database while the server runs, and restore takes it to another one",
    { timeout: 120_000 },
    async () => {
      const [here, there] = [join(root, "here"), join(root, "there")];
      const file = await fileIn("moved-");
      const server = await start(here);
      const data = { voltage: 0.85, current: 0.00012 };
      const body = JSON.stringify({
        type: "power",
        cellId: 1,
        loggerId: 1,
        ts: 1_704_067_200,
        data,
      });
      const headers = { "Content-Type": "application/json" };
      const upload = await fetch(`${server.url}/api/sensor/`, { method: "POST", headers, body });
      expect(upload.status).toBe(200);

      const backup = await run({ DATA_DIR: here }, "backup", file);
      expect(backup).toMatchObject({ code: 0, stderr: "" });
      expect(backup.said).toMatch(/^Backed up \d+ rows of 7 tables, in \d+(\.\d)? kB\.$/);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const refused = await run({ DATA_DIR: here }, "restore", file);
      expect(refused).toMatchObject({ code: 1, said: "" });
      expect(refused.stderr).toMatch(
        /^ents-backend: \d+ connections of ents-backend use this database/,
      );
      await stop(server.child);

      expect(await run({ DATA_DIR: there }, "restore", file)).toMatchObject({
        code: 0,
        stderr: "",
      });
      const moved = await start(there);
      const power = await fetch(`${moved.url}/api/power/1?startTime=2024-01-01&resample=none`);
      expect(await power.json()).toMatchObject({ v: [850], i: [120], p: [102] });
      const check = await run({ DATA_DIR: there }, "rollup", "check");
      expect(check.said).toBe("All 6 rollups of 3 sensors are what the readings come to.");
    },
  );

  it("streams to standard output, and restore from standard input, between two databases", async () => {
    const target = await newDatabase();
    const backup = await run({ DATABASE_URL: large }, "backup", "-");
    expect(backup.code).toBe(0);
    expect(backup.stderr).toMatch(/^Backed up 200,\d{3} rows of 3 tables/);
    const restore = begin({ DATABASE_URL: target }, "restore", "-");
    restore.stdin?.end(backup.stdout);
    const { code, said } = await endOf(restore);
    expect([code, said]).toEqual([
      0,
      expect.stringMatching(/^Restored 200,\d{3} rows of 3 tables/),
    ]);
    expect(await using(target, allRows)).toEqual(await using(large, allRows));
  });

  it("refuses to replace a file, but with --force", async () => {
    const file = await fileIn("there-");
    await writeFile(file, "precious");
    const refused = await run({ DATABASE_URL: large }, "backup", file);
    expect(refused).toMatchObject({ code: 1, said: "" });
    expect(refused.stderr).toBe(
      `ents-backend: ${file} is there already: take another name, or replace it with --force`,
    );
    expect(await readFile(file, "utf8")).toBe("precious");
    expect(await run({ DATABASE_URL: large }, "backup", file, "--force")).toMatchObject({
      code: 0,
    });
    expect(await run({ DATABASE_URL: large }, "restore", "--check", file)).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^It is whole: 200,\d{3} rows of 3 tables, as of 20/),
    });
    expect(await readdir(join(file, ".."))).toEqual(["it.backup"]);
  });

  it("says what uploads wait beside the database", async () => {
    const dataDir = await mkdtemp(join(root, "waiting-"));
    const journal = await openJournal(join(dataDir, "journal"));
    await journal.append({ upload: 1 });
    await journal.close();
    const place = { DATABASE_URL: large, DATA_DIR: dataDir };
    const { code, stderr } = await run(place, "backup", join(dataDir, "it.backup"));
    expect([code, stderr]).toEqual([
      0,
      `Not in it: 1 upload still to be stored, in ${join(dataDir, "journal")}.`,
    ]);
  });

  it("says what it lacks, and leaves nothing behind", async () => {
    const nowhere = join(root, "nowhere", "it.backup");
    const unwritable = await run({ DATABASE_URL: large }, "backup", nowhere);
    expect(unwritable).toMatchObject({ code: 1, said: "" });
    expect(unwritable.stderr).toMatch(/^ents-backend: \S+ can't be written \(ENOENT/);
    const empty = await run(
      { DATABASE_URL: await newDatabase() },
      "backup",
      await fileIn("empty-"),
    );
    expect(empty.stderr).toMatch(/^ents-backend: there is nothing to back up/);
    const device = await run({ DATABASE_URL: large }, "backup", "/dev/null", "--force");
    expect(device.stderr).toMatch(/isn't a regular file/);
  });

  it.each(["SIGINT", "SIGKILL"] as const)("that meets %s leaves no file", async (signal) => {
    const file = await fileIn("stopped-");
    const backup = begin({ DATABASE_URL: large }, "backup", file);
    const ended = endOf(backup);
    await vi.waitUntil(async () => (await readdir(join(file, ".."))).length > 0, 20_000);
    backup.kill(signal);
    const { code, stderr } = await ended;
    if (signal === "SIGINT") expect([code, stderr]).toEqual([130, "Stopped: there is no backup."]);
    const left = await readdir(join(file, ".."));
    expect(left).toEqual(signal === "SIGINT" ? [] : [expect.stringMatching(/\.part$/)]);
  });
});

describe("ents-backend restore", () => {
  let file: string;
  beforeAll(async () => {
    file = await fileIn("whole-");
    expect(await run({ DATABASE_URL: large }, "backup", file)).toMatchObject({ code: 0 });
  });

  it.each(["SIGINT", "SIGKILL"] as const)(
    "that meets %s leaves the database empty",
    async (signal) => {
      const url = await newDatabase();
      const restore = begin({ DATABASE_URL: url }, "restore", "-");
      const ended = endOf(restore);
      const { size } = await stat(file);
      createReadStream(file, { end: Math.floor(size * 0.6) }).pipe(restore.stdin!, { end: false });
      await vi.waitUntil(async () => await isCopying(url), 20_000);
      restore.kill(signal);
      const { code, stderr } = await ended;
      if (signal === "SIGINT")
        expect([code, stderr]).toEqual([130, "Stopped: nothing was changed."]);
      await vi.waitUntil(async () => !(await isCopying(url)), 20_000);
      expect(await tablesIn(url)).toEqual([]);
    },
  );

  it.each([
    ["another file", async () => program, /no archive of ours|its end is missing/],
    ["no file", async () => join(root, "missing"), /there is no file/],
    ["an empty file", async () => await written(Buffer.alloc(0)), /its end is missing/],
    ["half a file", async () => await written(await half(file)), /its end/],
  ])("refuses %s", async (_, name, reason) => {
    const url = await newDatabase();
    const { code, stderr, said } = await run({ DATABASE_URL: url }, "restore", await name());
    expect([code, said]).toEqual([1, ""]);
    expect(stderr).toMatch(reason);
    expect(stderr.split("\n")).toHaveLength(1);
    expect(await tablesIn(url)).toEqual([]);
  });
});
