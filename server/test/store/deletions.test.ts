import { sql } from "kysely";
import { beforeEach, describe, expect, it } from "vitest";
import { sweepDeleted } from "../../src/store/deletions.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { newTeam } from "../support/team.ts";

const api = useApi();

const start = 1_600_000_000;
const temperature = 10;

async function upload(cellId: number, ts: number, value = 1): Promise<number> {
  const message = [{ meta: { cellId, loggerId: 5, ts }, type: temperature, value: decimal(value) }];
  return (await api.postBytes(encodeVersion2(message), version2)).statusCode;
}

/** A cell whose one sensor has that many readings, a second apart. */
async function fill(cellId: number, readings: number): Promise<number> {
  await upload(cellId, start);
  const { id } = await api.db
    .selectFrom("sensor")
    .select("id")
    .where("cell_id", "=", cellId)
    .executeTakeFirstOrThrow();
  await sql`
    insert into reading (sensor_id, ts, value, received_at)
    select ${id}, to_timestamp(${start} + at), at, now() from generate_series(1, ${readings - 1}::int) as at`.execute(
    api.db,
  );
  return id;
}

async function count(table: "reading" | "reading_conflict" | "deleted_sensor"): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) from ${sql.table(table)}`.execute(
    api.db,
  );
  return rows[0]!.count;
}

beforeEach(async () => {
  await sql`truncate cell, reading, reading_conflict, deleted_sensor cascade`.execute(api.db);
});

describe("a deleted cell's readings", () => {
  it("don't hold up the answer, and go while uploads go on", { timeout: 60_000 }, async () => {
    const { id: doomed, owner } = await newTeam(api, "public");
    const kept = await newCell(api);
    await fill(doomed, 200_000);
    await fill(kept, 10);
    const began = performance.now();
    expect((await as(api, owner).delete(`/api/cell/${doomed}`)).statusCode).toBe(200);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(await count("reading")).toBe(200_010);
    expect((await api.get(`/api/cell/${doomed}`)).statusCode).toBe(404);

    const state = { sweeping: true };
    const sweep = sweepDeleted(api.db).finally(() => (state.sweeping = false));
    let uploads = 0;
    let slowest_ms = 0;
    while (state.sweeping) {
      const sent = performance.now();
      expect(await upload(kept, start + 1000 + uploads)).toBe(200);
      slowest_ms = Math.max(slowest_ms, performance.now() - sent);
      uploads += 1;
    }
    await sweep;
    expect(uploads).toBeGreaterThan(10);
    expect(slowest_ms).toBeLessThan(2000);
    expect(await count("reading")).toBe(10 + uploads);
    const sensor = await readSensor(api, kept, ["BME280_TEMP", "Temperature"]);
    expect(sensor.data).toHaveLength(10 + uploads);
  });

  it("take their conflicts with them, and nobody else's", async () => {
    const { id: doomed, owner } = await newTeam(api, "public");
    const kept = await newCell(api);
    for (const cell of [doomed, kept]) {
      await upload(cell, start, 1);
      await upload(cell, start, 2);
    }
    expect(await count("reading_conflict")).toBe(2);
    await as(api, owner).delete(`/api/cell/${doomed}`);
    await sweepDeleted(api.db);
    expect([await count("reading"), await count("reading_conflict")]).toEqual([1, 1]);
  });

  it("go on going after a stop", async () => {
    const { id, owner } = await newTeam(api, "public");
    await fill(id, 12_000);
    await as(api, owner).delete(`/api/cell/${id}`);
    const stopped = AbortSignal.abort();
    await sweepDeleted(api.db, stopped);
    expect(await count("reading")).toBe(12_000);
    const stopping = new AbortController();
    const sweep = sweepDeleted(api.db, stopping.signal);
    while ((await count("reading")) === 12_000);
    stopping.abort();
    await sweep;
    expect(await count("deleted_sensor")).toBe(1);
    await sweepDeleted(api.db);
    expect(await count("reading")).toBe(0);
  });

  it("go once, when two processes delete them", async () => {
    const { id, owner } = await newTeam(api, "public");
    await fill(id, 20_000);
    await as(api, owner).delete(`/api/cell/${id}`);
    await Promise.all([sweepDeleted(api.db), sweepDeleted(api.db)]);
    await sweepDeleted(api.db);
    expect(await count("reading")).toBe(0);
  });

  it("go also when they come late, from an upload that had found the cell", async () => {
    const { id, owner } = await newTeam(api, "public");
    const sensor = await fill(id, 3);
    await as(api, owner).delete(`/api/cell/${id}`);
    await sweepDeleted(api.db);
    await sql`insert into reading (sensor_id, ts, value, received_at) values (${sensor}, now(), 1, now())`.execute(
      api.db,
    );
    await sweepDeleted(api.db);
    expect([await count("reading"), await count("deleted_sensor")]).toEqual([0, 1]);
    await sql`update deleted_sensor set deleted_at = now() - interval '1 hour'`.execute(api.db);
    await sweepDeleted(api.db);
    expect(await count("deleted_sensor")).toBe(0);
  });

  it("are those that came before; uploads that come after are refused, one way or another", async () => {
    const { id, owner } = await newTeam(api, "public");
    const uploads = Array.from({ length: 30 }, (_, at) => upload(id, start + at));
    const deleted = as(api, owner).delete(`/api/cell/${id}`);
    const statuses = new Set(await Promise.all(uploads));
    expect((await deleted).statusCode).toBe(200);
    for (const status of statuses) expect([200, 400, 409]).toContain(status);
    await sweepDeleted(api.db);
    expect(await count("reading")).toBe(0);
    expect(await upload(id, start)).toBe(400);
  });
});
