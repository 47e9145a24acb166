import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, describe, expect, it } from "vitest";
import { openMetrics } from "../../src/metrics.ts";
import { Placer, type PlaceDeps } from "../../src/ingest/place.ts";
import { toRecord } from "../../src/ingest/record.ts";
import { unknownCell } from "../../src/ingest/refusal.ts";
import type { Uplink } from "../../src/ingest/uplink.ts";
import type { Json } from "../../src/lib/journal-lines.ts";
import { hashSecret } from "../../src/lib/secret.ts";
import { createCell } from "../../src/store/cells.ts";
import { testIngest, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { filesIn, openJournal, useDirectories } from "../support/journal.ts";
import { newKey } from "../support/keys.ts";
import { silentLog } from "../support/log.ts";
import { encodeVersion1 } from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";

const newDirectory = useDirectories();
const api = useApi();
const ts = 1_705_316_400;

/** What PostgreSQL does to rows of a table meanwhile, to be undone after the test. */
const triggers: string[] = [];
afterEach(async () => {
  for (const table of triggers.splice(0))
    await sql`drop trigger meddle on ${sql.table(table)}`.execute(api.db);
});

/** @param statement of PL/pgSQL, run for each row that is inserted and fits */
async function meddle(table: string, statement: string, when = "true"): Promise<void> {
  const name = sql.id(`meddle_${randomUUID().replaceAll("-", "")}`);
  await sql`create function ${name}() returns trigger language plpgsql as ${sql.lit(
    `begin ${statement}; return new; end`,
  )}`.execute(api.db);
  await sql`create trigger meddle before insert on ${sql.table(table)}
    for each row when (${sql.raw(when)}) execute function ${name}()`.execute(api.db);
  triggers.push(table);
}

/** An upload of one reading by nobody in particular, or with an API key. */
function uplink(cellId: number, at = 0, key?: string): Uplink {
  const meta = { cellId, loggerId: 1, ts: ts + at };
  const shown = key && { kind: "api" as const, hash: hashSecret(key).toString("hex") };
  return {
    id: randomUUID(),
    format: "measurement/v1",
    payload: encodeVersion1(meta, { case: "yfs210c", value: { flow: 1 } }),
    receivedAt: api.now,
    credentials: { kind: "open", address: "::1", ...(shown && { key: shown }) },
    path: "/api/sensor/",
    headers: {},
  };
}

function newPlacer(identify: PlaceDeps["identify"] = async () => ({ kind: "nobody" })): Placer {
  return new Placer({
    db: api.db,
    settings: { defaultUploadPolicy: "key" },
    log: silentLog,
    metrics: openMetrics(),
    quarantine: { noteKept: () => {} },
    sightings: { note: () => {} },
    identify,
  });
}

const fail = (error: unknown) => async () => {
  throw error;
};

/** Has a server that begins with these records in its journal apply them; answers what it did. */
async function apply(records: readonly Json[]) {
  const path = newDirectory();
  const journal = await openJournal(path);
  await Promise.all(records.map(async (record) => await journal.append(record)));
  await journal.close();
  return await applyAll(path);
}

/** The same with a journal that is there. */
async function applyAll(path: string) {
  const journal = await openJournal(path);
  const metrics = openMetrics();
  let added = {};
  const kept = await quarantinedBy(api.db, async () => {
    added = await rowsAdded(api.db, async () => {
      const ingest = testIngest(api.db, { journal, metrics });
      await expect.poll(() => journal.depth().bytes, { timeout: 15_000 }).toBe(0);
      await ingest.close();
      await journal.close();
    });
  });
  const unkept = Number(/^ents_journal_unkept_total (\d+)$/m.exec(await metrics.read())?.[1]);
  return { path, added, kept, unkept };
}

/** The records in the one file that is kept beside a journal. */
async function unkeptIn(path: string): Promise<unknown[]> {
  const files = await filesIn(path);
  expect(files).toEqual([expect.stringMatching(/\.unkept$/)]);
  const lines = (await readFile(join(path, files[0]!), "utf8")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line.slice(9)) as unknown);
}

const stored = (reading: number) => ({ sensor: 1, reading, logger_sighting: 1 });

describe("a record of the journal", () => {
  it("says in which form it is, and is taken also from before there was one", async () => {
    const cellId = await newCell(api);
    const record = toRecord(uplink(cellId));
    expect(record).toMatchObject({ v: 1 });
    const { v: _, ...unversioned } = toRecord(uplink(cellId, 1)) as { v: number; id: string };
    const { path, added, kept } = await apply([record, unversioned]);
    expect(added).toEqual(stored(2));
    expect(kept).toEqual([]);
    expect(await filesIn(path)).toEqual([]);
  });

  it("that this version can't read is kept in a file, and holds up none behind it", async () => {
    const cellId = await newCell(api);
    const foreign = [{ ...(toRecord(uplink(cellId)) as object), v: 2 } as Json, null, "?", {}];
    const { path, added, unkept } = await apply([...foreign, toRecord(uplink(cellId, 1))]);
    expect(added).toEqual(stored(1));
    expect(unkept).toBe(foreign.length);
    expect(await unkeptIn(path)).toEqual(foreign);
  });

  it("that PostgreSQL takes nowhere is kept in a file, and holds up none behind it", async () => {
    const cellId = await newCell(api);
    await meddle("reading", "raise 'no'", `new.ts = to_timestamp(${ts + 1})`);
    await meddle("quarantine", "raise 'not here either'");
    const records = [0, 1, 2].map((at) => toRecord(uplink(cellId, at)));
    const { path, added, unkept } = await apply(records);
    expect(added).toEqual(stored(2));
    expect(unkept).toBe(1);
    expect(await unkeptIn(path)).toEqual([records[1]]);
  });

  it("that breaks PostgreSQL, which takes the others, is in quarantine", async () => {
    const cellId = await newCell(api);
    const breaks = `new.ts = to_timestamp(${ts + 1})`;
    await meddle("reading", "raise 'damaged page' using errcode = 'XX001'", breaks);
    const records = [0, 1, 2].map((at) => toRecord(uplink(cellId, at)));
    const { path, added, kept } = await apply(records);
    expect(added).toEqual({ ...stored(2), quarantine: 1 });
    expect(kept).toMatchObject([{ code: "internal_error" }]);
    expect(await filesIn(path)).toEqual([]);
  });

  it("that breaks PostgreSQL and is alone in its file holds up none of the others, and is in quarantine then", async () => {
    const cellId = await newCell(api);
    const breaks = `new.ts = to_timestamp(${ts + 1})`;
    await meddle("reading", "raise 'damaged page' using errcode = 'XX001'", breaks);
    const path = newDirectory();
    for (const at of [1, 2]) {
      const journal = await openJournal(path);
      await journal.append(toRecord(uplink(cellId, at)));
      await journal.close();
    }
    const { added, kept } = await applyAll(path);
    expect(added).toEqual({ ...stored(1), quarantine: 1 });
    expect(kept).toMatchObject([{ code: "internal_error" }]);
    expect(await filesIn(path)).toEqual([]);
  });

  it("that breaks PostgreSQL and is alone altogether is in quarantine once others are stored", async () => {
    const cellId = await newCell(api);
    const breaks = `new.ts = to_timestamp(${ts + 1})`;
    await meddle("reading", "raise 'damaged page' using errcode = 'XX001'", breaks);
    const path = newDirectory();
    const journal = await openJournal(path);
    const ingest = testIngest(api.db, { journal });
    const kept = await quarantinedBy(api.db, async () => {
      expect(await ingest.take(uplink(cellId, 1))).toMatchObject({ written: undefined });
      let at = 1;
      const takeNext = async () => {
        await ingest.take(uplink(cellId, (at += 1)));
        return journal.depth().bytes;
      };
      await expect.poll(takeNext, { timeout: 15_000 }).toBe(0);
    });
    await ingest.close();
    await journal.close();
    expect(kept).toMatchObject([{ code: "internal_error" }]);
  });

  it("waits with all others while PostgreSQL is broken for each of them", async () => {
    const cellId = await newCell(api);
    await meddle("reading", "raise 'damaged page' using errcode = 'XX001'");
    const path = newDirectory();
    const journal = await openJournal(path);
    const errors: string[] = [];
    const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) };
    for (let at = 0; at < 20; at += 1) await journal.append(toRecord(uplink(cellId, at)));
    const added = await rowsAdded(api.db, async () => {
      const ingest = testIngest(api.db, { journal, log });
      await expect
        .poll(() => errors, { timeout: 15_000 })
        .toContain("the journal can't be applied; it is tried again");
      expect(journal.depth().records).toBe(20);
      await sql`drop trigger meddle on reading`.execute(api.db);
      triggers.length = 0;
      await expect.poll(() => journal.depth().bytes, { timeout: 15_000 }).toBe(0);
      await ingest.close();
    });
    await journal.close();
    expect(added).toEqual(stored(20));
    expect(await filesIn(path)).toEqual([]);
  });

  it("is stored or in quarantine, though it was refused too late to be waited for", async () => {
    const cellId = await newCell(api);
    const upload = uplink(cellId);
    const refusal = unknownCell(String(cellId));
    await newPlacer().place([{ uplink: upload, content: { refusal } }]);
    const { added } = await apply([toRecord(upload)]);
    expect(added).toEqual({ ...stored(1), quarantine: -1 });
  });
});

describe("an upload that is refused beside one that is stored", () => {
  it("isn't stored as well when it would no longer be refused a moment later", async () => {
    const owner = await newUser(api);
    const guest = await newUser(api);
    const policy = { uploadPolicy: "key", userId: owner.id } as const;
    const { id: closed } = await createCell(api.db, { name: randomUUID(), ...policy });
    const open = await newCell(api);
    const { headers } = await newKey(api, guest, ["upload"]);
    // Whoever is refused is let in at that moment.
    const grant = `insert into cell_member (cell_id, account_id, role) values (${closed}, '${guest.id}', 'editor')`;
    await meddle("quarantine", grant);
    const { added, kept } = await apply([
      toRecord(uplink(closed, 0, headers["x-api-key"])),
      toRecord(uplink(open, 0)),
    ]);
    expect(kept).toMatchObject([{ code: "upload_forbidden" }]);
    expect(added).toEqual({ ...stored(1), quarantine: 1, cell_member: 1 });
  });
});

describe("an upload whose sender can't be found out", () => {
  it("isn't taken for nobody's: it is in quarantine, and those beside it are stored", async () => {
    const cellId = await newCell(api);
    const error = new TypeError("no such credentials");
    let settled: unknown;
    const arrived = [uplink(cellId, 0, "x"), uplink(cellId, 1)].map((one) => ({
      uplink: one,
      content: { measurements: [] },
    }));
    const kept = await quarantinedBy(api.db, async () => {
      settled = await newPlacer(fail(error)).place(arrived);
    });
    expect(settled).toMatchObject([{ ok: false, error }, { ok: true }]);
    expect(kept).toMatchObject([
      { code: "internal_error", body: Buffer.from(arrived[0]!.uplink.payload) },
    ]);
  });

  it("waits in the journal while the database lacks what that takes, and is judged when it has it", async () => {
    const owner = await newUser(api);
    const policy = { uploadPolicy: "key", userId: owner.id } as const;
    const { id: cellId } = await createCell(api.db, { name: randomUUID(), ...policy });
    const { headers } = await newKey(api, owner, ["upload"]);
    const journal = await openJournal(newDirectory());
    const ingest = testIngest(api.db, { journal });
    const added = await rowsAdded(api.db, async () => {
      await sql`alter table api_key rename to api_key_away`.execute(api.db);
      const upload = uplink(cellId, 0, headers["x-api-key"]);
      expect(await ingest.take(upload)).toMatchObject({ written: undefined });
      expect(journal.depth().records).toBe(1);
      await sql`alter table api_key_away rename to api_key`.execute(api.db);
      await expect.poll(() => journal.depth().records, { timeout: 15_000 }).toBe(0);
    });
    expect(added).toEqual(stored(1));
    await ingest.close();
    await journal.close();
  });
});
