import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { QuarantineKeeper } from "../../src/ingest/quarantine-keeper.ts";
import { insertQuarantined, measureQuarantine } from "../../src/store/quarantine.ts";
import { testIngest, useApi } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";
import { newestUpload, putInQuarantine, quarantined } from "../support/quarantine.ts";

const database = useDatabase();
const max_bytes = 160_000;
const body = Buffer.alloc(9000);
let now = 0;

/** What the keeper warns of. */
function newKeeper(max = max_bytes) {
  const warnings: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const keeper = new QuarantineKeeper({
    db: database.db,
    log,
    clock: () => now,
    max_bytes: max,
  });
  return { keeper, warnings };
}

const kinds = {
  unreadable: quarantined({ body }),
  keyless: quarantined({ body }, { decodes: true, cellIds: [1] }),
  keyed: quarantined({ body, sentBy: { userId: randomUUID() } }),
};

async function fill(kind: keyof typeof kinds, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i += 1) ids.push(await putInQuarantine(database.db, kinds[kind]));
  return ids;
}

async function idsLeft(): Promise<number[]> {
  const rows = await database.db.selectFrom("quarantine").select("id").orderBy("id").execute();
  return rows.map(({ id }) => id);
}

beforeEach(async () => {
  await sql`truncate quarantine`.execute(database.db);
});

describe("a quarantine that is full", () => {
  it("lets go what came without a key and says nothing, the oldest first, and tells why", async () => {
    const keyed = await fill("keyed", 4);
    const keyless = await fill("keyless", 4);
    const unreadable = await fill("unreadable", 10);
    const { keeper, warnings } = newKeeper();
    await keeper.look();
    const left = await idsLeft();
    const gone = unreadable.filter((id) => !left.includes(id));
    expect(left).toEqual([...keyed, ...keyless, ...unreadable.slice(gone.length)]);
    expect(gone.length).toBeGreaterThan(0);
    const { bytes, uploads } = await measureQuarantine(database.db);
    expect(bytes).toBeLessThan(max_bytes);
    expect(keeper.stats()).toEqual({
      quarantinedBytes: bytes,
      quarantinedUploads: uploads,
      evicted: gone.length,
    });
    expect(warnings).toMatchObject([{ uploads: gone.length, unreadable: gone.length, keyed: 0 }]);
  });

  it("lets go what is worth more only when there is nothing else", async () => {
    const keyed = await fill("keyed", 15);
    await fill("keyless", 4);
    await fill("unreadable", 4);
    const { keeper, warnings } = newKeeper(100_000);
    await keeper.look();
    const left = await idsLeft();
    expect(left).toEqual(keyed.slice(-left.length));
    expect(warnings).toMatchObject([
      { unreadable: 4, keyless: 4, keyed: keyed.length - left.length, uploads: 23 - left.length },
    ]);
  });

  it("is seen as soon as it is, without waiting for the next minute", async () => {
    const { keeper } = newKeeper();
    keeper.start();
    for (let i = 0; i < 40; i += 1)
      keeper.noteKept(await insertQuarantined(database.db, [kinds.unreadable, kinds.unreadable]));
    await keeper.stop();
    const { bytes } = await measureQuarantine(database.db);
    expect(bytes).toBeLessThan(max_bytes * 1.25);
    expect(keeper.stats().evicted).toBeGreaterThan(50);
  });

  it("is told of once a minute, however much comes", async () => {
    const { keeper, warnings } = newKeeper();
    const flood = async () => {
      await fill("unreadable", 20);
      await keeper.look();
    };
    now = 1000;
    await flood();
    now += 30;
    await flood();
    expect(warnings).toHaveLength(1);
    now += 30;
    await flood();
    expect(warnings).toHaveLength(2);
    const told = warnings.map((warning) => (warning as { uploads: number }).uploads);
    expect(told.reduce((a, b) => a + b)).toBe(keeper.stats().evicted);
  });

  it.each([1, 4])("loses no more than it has to, when %i processes look at once", async (count) => {
    const keyed = await fill("keyed", 6);
    await fill("unreadable", 24);
    const keepers = Array.from({ length: count }, () => newKeeper().keeper);
    await Promise.all(keepers.map(async (keeper) => await keeper.look()));
    const { uploads, bytes } = await measureQuarantine(database.db);
    expect(bytes).toBeLessThanOrEqual((max_bytes * 15) / 16);
    expect(bytes + bytes / uploads).toBeGreaterThan((max_bytes * 15) / 16);
    expect((await idsLeft()).slice(0, 6)).toEqual(keyed);
    const evicted = keepers.map((keeper) => keeper.stats().evicted);
    expect(evicted.reduce((sum, one) => sum + one)).toBe(30 - uploads);
    for (const keeper of keepers)
      expect(keeper.stats()).toMatchObject({ quarantinedUploads: uploads });
  });
});

describe("a quarantine that isn't full", () => {
  it("keeps everything, and counts it", async () => {
    const ids = await fill("unreadable", 5);
    const { keeper, warnings } = newKeeper();
    keeper.start();
    await vi.waitFor(() => expect(keeper.stats().quarantinedUploads).toBe(5));
    keeper.noteKept(await insertQuarantined(database.db, [kinds.keyed]));
    await keeper.stop();
    expect(keeper.stats()).toMatchObject({ quarantinedUploads: 6, evicted: 0 });
    expect((await idsLeft()).slice(0, 5)).toEqual(ids);
    expect(warnings).toEqual([]);
  });

  it("warns of a database that fails, and goes on", async () => {
    const { keeper, warnings } = newKeeper();
    await sql`alter table quarantine rename to hidden`.execute(database.db);
    keeper.start();
    await vi.waitFor(() => expect(warnings).toHaveLength(1));
    await sql`alter table hidden rename to quarantine`.execute(database.db);
    await fill("unreadable", 3);
    keeper.noteKept({ uploads: 1, bytes: max_bytes + 1 });
    await keeper.stop();
    expect(keeper.stats().quarantinedUploads).toBe(3);
  });
});

describe("an API whose quarantine is small", () => {
  const api = useApi(undefined, ({ db, clock, log }) => {
    const quarantine = new QuarantineKeeper({ db, clock, log, max_bytes });
    return { quarantine, ingest: testIngest(db, { quarantine }) };
  });

  it("is bounded by what its doors keep, and keeps the newest", async () => {
    for (let i = 0; i < 40; i += 1) await api.postBytes(Buffer.alloc(9000, 0xff));
    const newest = await newestUpload(api.db);
    await vi.waitFor(async () =>
      expect((await measureQuarantine(api.db)).bytes).toBeLessThan(max_bytes * 1.25),
    );
    expect(await newestUpload(api.db)).toBe(newest);
  });
});
