import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { sql } from "kysely";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { sensorType } from "@ents-backend/schemas/sensor";
import { connect, type Db } from "../../src/db/connect.ts";
import { migrate } from "../../src/db/migrate.ts";
import { withSession } from "../../src/db/session.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { ArchiveReader } from "../../src/store/backup/archive-reader.ts";
import { ArchiveWriter } from "../../src/store/backup/archive-writer.ts";
import { backUp, type BackedUp } from "../../src/store/backup/back-up.ts";
import { contents, functions, listKept, listTables } from "../../src/store/backup/contents.ts";
import type { Manifest } from "../../src/store/backup/manifest.ts";
import { check, restore } from "../../src/store/backup/restore.ts";
import { createCell } from "../../src/store/cells.ts";
import { createDemo } from "../../src/store/demo.ts";
import { readDirectoryVersion } from "../../src/store/directory.ts";
import { checkRollup } from "../../src/timeseries/rollup.ts";
import { listAllSensors } from "../../src/timeseries/sensors.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { useEmptyDatabases } from "../support/empty-databases.ts";
import { allRows, fillEverything, formOf } from "../support/everything.ts";
import { silentLog } from "../support/log.ts";
import { ramp, store } from "../support/series.ts";

const database = useDatabase();
const newDatabase = useEmptyDatabases();
const never = new AbortController().signal;
const stream = sensorType("BME280_TEMP");

const options = (databaseUrl: string) => ({ databaseUrl, dataDir: "", log: silentLog });

async function take(url: string): Promise<{ bytes: Buffer; done: BackedUp }> {
  return await withSession(options(url), never, async (session) => {
    let done: BackedUp = { totals: {}, others: [] };
    const order = { clock: systemClock, product: "0.0.1", onEnd: (all: BackedUp) => (done = all) };
    return { bytes: await buffer(backUp(session, order)), done };
  });
}

/** Hands out bytes as a pipe might. */
async function* inChunks(bytes: Uint8Array, size = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function bringBack(url: string, bytes: Uint8Array): Promise<void> {
  await withSession(options(url), never, async (session) => {
    await restore(session, { source: inChunks(bytes), log: silentLog });
  });
}

async function using<T>(url: string, use: (db: Db) => Promise<T>): Promise<T> {
  const db = connect(url, silentLog);
  try {
    return await use(db);
  } finally {
    await db.destroy();
  }
}

async function expectExactRollups(db: Db): Promise<void> {
  for (const { id } of await listAllSensors(db, undefined))
    for (const unit of ["hour", "day"] as const)
      expect(await checkRollup(db, id, unit)).toMatchObject({ differing: 0 });
}

/** Fifty readings after the other, until it is stopped. */
function upload(db: Db, cellId: number) {
  const over = new AbortController();
  let acknowledged = 0;
  const done = (async () => {
    for (; !over.signal.aborted; acknowledged += 50) {
      const readings = ramp(1_600_000_000 + acknowledged * 60, 60, 50);
      await store({ db, now: 1_705_363_200 }, cellId, stream, readings);
    }
  })();
  return {
    acknowledged: () => acknowledged,
    async stop() {
      over.abort();
      await done;
    },
  };
}

const tablesIn = async (url: string) => await using(url, async (db) => (await listTables(db)).ours);

let backup: Buffer;
let rows: Record<string, string[]> = {};
beforeAll(async () => {
  await fillEverything(database.db);
  rows = await allRows(database.db);
  backup = (await take(database.url)).bytes;
});

const cut = (part: number) => backup.subarray(0, Math.floor(part * backup.length));

function flip(part: number, bits: number): Buffer {
  const copy = Buffer.from(backup);
  copy[Math.floor(part * copy.length)]! ^= bits;
  return copy;
}

describe("what a backup keeps", () => {
  it("was decided for every table", async () => {
    expect(await listTables(database.db)).toMatchObject({ others: [] });
  });

  it("knows every function by its name, so that restoring takes away no others", async () => {
    const { rows: made } = await sql<{ name: string }>`
      select distinct proname::text as name from pg_proc
      where pronamespace = current_schema()::regnamespace order by name`.execute(database.db);
    expect(made.map(({ name }) => name)).toEqual(functions);
  });

  it("refers to nothing that it leaves out", async () => {
    const kept = (await listKept(database.db)).map(({ name }) => name);
    expect(kept.toSorted()).toEqual(
      Object.keys(contents)
        .filter((name) => contents[name]!.kept)
        .toSorted(),
    );
  });

  it("is in these tests, a row of each table at least", () => {
    expect(Object.entries(rows).filter(([, some]) => some.length === 0)).toEqual([]);
  });
});

describe("a backup that is restored", () => {
  it("has every row as it was, and the same form", async () => {
    const url = await newDatabase();
    await bringBack(url, backup);
    await using(url, async (db) => {
      expect(await allRows(db)).toEqual(rows);
      expect(await formOf(db)).toEqual(await formOf(database.db));
      await expectExactRollups(db);
    });
  });

  it("goes on numbering where it was, also where the last row is gone", async () => {
    const url = await newDatabase();
    await bringBack(url, backup);
    const last = await sql<{ last: number }>`
      select last_value as last from cell_id_seq`.execute(database.db);
    const next = await using(url, async (db) => await newCell({ db }));
    expect(next).toBe(last.rows[0]!.last + 1);
    expect(rows["deleted_cell"]!.join()).toContain(`(${last.rows[0]!.last},`);
  });

  it("has no sessions, and outdates what a process remembers of any database", async () => {
    const url = await newDatabase();
    await bringBack(url, backup);
    await using(url, async (db) => {
      for (const table of ["session", "refresh_token", "login_failure"] as const)
        expect(await db.selectFrom(table).selectAll().execute()).toEqual([]);
    });
    const other = await newDatabase();
    await bringBack(other, backup);
    expect(await using(other, readDirectoryVersion)).not.toBe(
      await using(url, readDirectoryVersion),
    );
  });

  it("finds its readings in the index alone, without a vacuum", async () => {
    const url = await newDatabase();
    await bringBack(url, backup);
    const marked = await using(
      url,
      async (db) =>
        await sql<{ whole: boolean }>`
          select relallvisible = relpages and relpages > 0 as whole from pg_class where relname = 'reading'`.execute(
          db,
        ),
    );
    expect(marked.rows).toEqual([{ whole: true }]);
  });

  it("takes the place of the demo, and of empty tables of a newer form", async () => {
    const url = await newDatabase();
    await using(url, async (db) => {
      await migrate(db, silentLog);
      await createDemo(db);
    });
    await bringBack(url, backup);
    expect(await using(url, allRows)).toEqual(rows);
  });

  it("leaves tables alone that aren't ours, as backups do", async () => {
    const url = await newDatabase();
    await using(url, async (db) => {
      await sql`create table notes as select 'mine' as text`.execute(db);
      await sql`create table parts (id int primary key) partition by range (id)`.execute(db);
      await sql`create table parts_1 partition of parts for values from (1) to (9)`.execute(db);
    });
    await bringBack(url, backup);
    const { bytes, done } = await take(url);
    expect(done.others).toEqual(["notes", "parts"]);
    expect(Object.keys(done.totals)).not.toContain("notes");
    expect((await check({ source: inChunks(bytes) })).totals).toEqual(done.totals);
    const notes = await using(url, async (db) => await sql`select * from notes`.execute(db));
    expect(notes.rows).toEqual([{ text: "mine" }]);
  });

  it("comes out of an older version as that version's database would, once migrated", async () => {
    const [older, newer] = [await newDatabase(), await newDatabase()];
    await using(older, async (db) => {
      await migrate(db, silentLog, "2026-11-25-rollups");
      await sql`insert into quarantine (received_at, path, headers, body, code, reason)
        values (now(), '/', '{}', 'x', 'unknown_cell', 'there is no cell 999')`.execute(db);
      await sql`insert into audit (at, actor, action, object_type, object_id)
        values (now(), 'user', 'delete', 'cell', '31')`.execute(db);
    });
    const { bytes } = await take(older);
    await bringBack(newer, bytes);
    await using(older, async (db) => await migrate(db, silentLog));
    expect(await using(newer, allRows)).toEqual(await using(older, allRows));
    expect(await using(newer, formOf)).toEqual(await using(older, formOf));
    expect((await using(newer, allRows))["deleted_cell"]).toHaveLength(1);
  });
});

describe("a backup while uploads go on", () => {
  it("has all that was acknowledged before, whole messages, and rollups that fit its readings", async () => {
    const [source, target] = [await newDatabase(), await newDatabase()];
    const before = await using(source, async (db) => {
      await migrate(db, silentLog);
      const uploads = upload(db, await newCell({ db }));
      await vi.waitUntil(() => uploads.acknowledged() >= 200, 20_000);
      const acknowledged = uploads.acknowledged();
      const { bytes } = await take(source);
      await uploads.stop();
      await bringBack(target, bytes);
      return acknowledged;
    });
    await using(target, async (db) => {
      const there = (await allRows(db))["reading"]!.length;
      expect(there).toBeGreaterThanOrEqual(before);
      expect(there % 50).toBe(0);
      await expectExactRollups(db);
    });
  });
});

describe("restore refuses", () => {
  it("a database that isn't empty, and says what is in it", async () => {
    const url = await newDatabase();
    const before = await using(url, async (db) => {
      await migrate(db, silentLog);
      await createCell(db, { name: "plot 7", uploadPolicy: "open" });
      return await allRows(db);
    });
    await expect(bringBack(url, backup)).rejects.toThrow(/isn't empty, there are rows in cell:/);
    expect(await using(url, allRows)).toEqual(before);
  });

  it("a database that somebody uses", async () => {
    const url = await newDatabase();
    await using(url, async (db) => {
      await migrate(db, silentLog);
      await expect(bringBack(url, backup)).rejects.toThrow(/connections of ents-backend use this/);
    });
    expect((await using(url, allRows))["cell"]).toEqual([]);
  });

  it.each([
    ["a newer form of backups", { version: 2 }, /made by a newer ents-backend \(9\.9\.9\)/],
    ["a newer version's tables", { migrations: ["2099-01-01-later"] }, /newer ents-backend \(9/],
    ["what isn't a backup's", { format: "other" }, /this is no backup/],
  ])("%s", async (_, changes, reason) => {
    const url = await newDatabase();
    const manifest = await new ArchiveReader(inChunks(backup)).manifest();
    const archive = new ArchiveWriter(systemClock);
    const changed = { ...manifest, product: "9.9.9", tables: [], ...changes } as Manifest;
    const bytes = Buffer.concat([...archive.begin(changed), ...archive.end({})]);
    await expect(bringBack(url, bytes)).rejects.toThrow(reason);
    expect(await tablesIn(url)).toEqual([]);
  });

  it("a table that ours isn't like", async () => {
    const url = await newDatabase();
    const manifest = await new ArchiveReader(inChunks(backup)).manifest();
    const archive = new ArchiveWriter(systemClock);
    const tables = manifest.tables.map((table) => ({ ...table, columns: [...table.columns, "x"] }));
    const begin = [...archive.begin({ ...manifest, tables })];
    await expect(bringBack(url, Buffer.concat(begin))).rejects.toThrow(/was it altered/);
    expect(await tablesIn(url)).toEqual([]);
  });
});

async function* nonsense(): AsyncGenerator<Buffer> {
  yield Buffer.from("2024-01-01 00:00:00+00\tnonsense\n".repeat(100_000));
}

describe("rows that PostgreSQL doesn't take", () => {
  it("end a restore with its words, and leave the database empty", async () => {
    const url = await newDatabase();
    const manifest = await new ArchiveReader(inChunks(backup)).manifest();
    const archive = new ArchiveWriter(systemClock);
    const tables = manifest.tables.filter(({ name }) => name === "reading");
    const parts: Buffer[] = [];
    for await (const part of archive.table("reading", nonsense())) parts.push(part);
    const begin = archive.begin({ ...manifest, tables });
    const bytes = Buffer.concat([...begin, ...parts, ...archive.end({ reading: 100_000 })]);
    await expect(bringBack(url, bytes)).rejects.toThrow(/nonsense|missing data for column/);
    expect(await tablesIn(url)).toEqual([]);
  });
});

describe("a backup that isn't whole", () => {
  const known = expect.objectContaining({ name: "KnownError" });
  const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const bits = fc.integer({ min: 1, max: 255 });

  it("is found out wherever it ends", async () => {
    await fc.assert(
      fc.asyncProperty(position, async (part) => {
        await expect(check({ source: inChunks(cut(part)) })).rejects.toEqual(known);
      }),
      { numRuns: 300 },
    );
    await expect(check({ source: inChunks(backup.subarray(0, -1)) })).rejects.toEqual(known);
    await expect(
      check({ source: inChunks(Buffer.concat([backup, Buffer.alloc(1)])) }),
    ).rejects.toEqual(known);
  });

  it("is found out whichever byte is another one", async () => {
    await fc.assert(
      fc.asyncProperty(position, bits, async (part, by) => {
        await expect(check({ source: inChunks(flip(part, by)) })).rejects.toEqual(known);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves the database empty", async () => {
    const url = await newDatabase();
    await fc.assert(
      fc.asyncProperty(position, bits, async (part, by) => {
        await expect(bringBack(url, cut(part))).rejects.toEqual(known);
        await expect(bringBack(url, flip(part, by))).rejects.toEqual(known);
        expect(await tablesIn(url)).toEqual([]);
      }),
      { numRuns: 8 },
    );
    await bringBack(url, backup);
    expect(await using(url, allRows)).toEqual(rows);
  });
});
