import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import {
  findLogEnd,
  findNews,
  forgetArrivals,
  listArrivals,
  type ArrivedReading,
  type LogPosition,
} from "../../src/timeseries/arrivals.ts";
import { Writer, type NewReading } from "../../src/timeseries/write.ts";
import { writeReadings } from "../support/write-readings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { findSettledEnd } from "../support/settled-end.ts";
import { waitUntil } from "../support/wait-until.ts";

const database = useDatabase();
const streams = [powerStreams.v, powerStreams.i, sensorType("BME280_TEMP")] as const;

function reading(cellId: number, ts: number, more: Partial<NewReading> = {}): NewReading {
  return {
    cellId,
    stream: streams[2],
    dataType: "float",
    ts,
    value: 1,
    receivedAt: 1_705_363_200,
    loggerId: 7,
    ...more,
  };
}

/** All that is behind a place, once what was begun before this is over. */
async function readAll(db: Db, after: LogPosition, cellIds: readonly number[], limit = 10_000) {
  await findSettledEnd(db);
  const readings: ArrivedReading[] = [];
  for (let next = after; ;) {
    const part = await listArrivals(db, { after: next, cellIds, limit });
    readings.push(...part.readings);
    if (part.isWhole) return readings;
    next = part.next;
  }
}

const keyOf = ({ sensorId, ts }: ArrivedReading) => `${sensorId} ${ts}`;

/** What some writers do, and how a reader goes along. */
const act = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    slot: fc.nat({ max: 3 }),
    size: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    kind: fc.constantFrom("commit" as const, "rollback" as const),
    slot: fc.nat({ max: 3 }),
  }),
  fc.record({ kind: fc.constant("read" as const), limit: fc.integer({ min: 1, max: 5 }) }),
);

describe("the log of what was stored", () => {
  it("is read whole and once, in one order, however transactions overlap and parts are cut", async () => {
    const { db } = database;
    // A cell each: two that write to the same hour of a sensor wait for each other.
    const cellIds = await Promise.all([0, 1, 2, 3].map(() => newCell(database)));
    await writeReadings(
      db,
      cellIds.map((cellId) => reading(cellId, 1e9)),
    );
    let ts = 1;
    const run = async (acts: readonly (typeof act extends fc.Arbitrary<infer T> ? T : never)[]) => {
      const start = await findSettledEnd(db);
      const open = new Map<
        number,
        {
          transaction: Awaited<ReturnType<ReturnType<Db["startTransaction"]>["execute"]>>;
          wrote: number[];
        }
      >();
      const committed: number[] = [];
      const seen: ArrivedReading[] = [];
      let next = start;
      const end = async (slot: number, how: "commit" | "rollback"): Promise<void> => {
        const one = open.get(slot);
        open.delete(slot);
        await one?.transaction[how]().execute();
        if (how === "commit") committed.push(...(one?.wrote ?? []));
      };
      for (const one of acts) {
        if (one.kind === "read") {
          const part = await listArrivals(db, { after: next, cellIds, limit: one.limit });
          seen.push(...part.readings);
          next = part.next;
        } else if (one.kind === "write") {
          const { transaction, wrote } = open.get(one.slot) ?? {
            transaction: await db.startTransaction().execute(),
            wrote: [],
          };
          open.set(one.slot, { transaction, wrote });
          const message = one.size > 2 ? { hasFraction: false } : undefined;
          const readings = Array.from({ length: one.size }, () =>
            reading(cellIds[one.slot]!, ts++, { message }),
          );
          await writeReadings(transaction, readings);
          wrote.push(...readings.map((each) => each.ts));
        } else await end(one.slot, one.kind);
      }
      for (const slot of open.keys()) await end(slot, "commit");
      seen.push(...(await readAll(db, next, cellIds, 3)));
      expect(seen.map((one) => one.ts).sort((a, b) => a - b)).toEqual(
        committed.sort((a, b) => a - b),
      );
      expect(await readAll(db, start, cellIds)).toEqual(seen);
    };
    await fc.assert(fc.asyncProperty(fc.array(act, { maxLength: 20 }), run), { numRuns: 40 });
  });

  it("has a message whole, also one that is longer than what is asked for", async () => {
    const { db } = database;
    const cellId = await newCell(database);
    const start = await findSettledEnd(db);
    const message = { hasFraction: false };
    await writeReadings(
      db,
      [1, 2, 3].map((ts) => reading(cellId, ts, { message })),
    );
    const all = await readAll(db, start, [cellId]);
    expect(all).toHaveLength(3);
    const part = await listArrivals(db, { after: start, cellIds: [cellId], limit: 1 });
    expect(part.readings).toEqual(all);
  });

  it("holds each reading once that is stored, power and all, whatever is repeated, and by its message", async () => {
    const { db } = database;
    const draft = fc.record({
      stream: fc.constantFrom(...streams),
      ts: fc.nat({ max: 3 }),
      value: fc.constantFrom(1, 2),
    });
    const messages = fc.array(
      fc.record({
        hasFraction: fc.boolean(),
        values: fc.array(draft, { minLength: 1, maxLength: 4 }),
      }),
      { maxLength: 4 },
    );
    const run = async (
      batches: readonly (readonly {
        hasFraction: boolean;
        values: readonly { stream: NewReading["stream"]; ts: number; value: number }[];
      }[])[],
    ) => {
      const cellId = await newCell(database);
      const start = await findSettledEnd(db);
      const writer = new Writer(db);
      const first = new Map<string, boolean | undefined>();
      for (const batch of batches) {
        const groups = batch.map(({ hasFraction, values }) => {
          const message = values.length > 1 ? { hasFraction } : undefined;
          return values.map((value) => reading(cellId, value.ts, { ...value, message }));
        });
        for (const { stream, ts, message } of groups.flat()) {
          const key = `${stream.name} ${ts}`;
          if (!first.has(key)) first.set(key, message?.hasFraction);
        }
        await writer.write(groups, undefined);
      }
      const logged = await readAll(db, start, [cellId]);
      const { rows } = await sql<{ key: string }>`
        select sensor_id || ' ' || extract(epoch from ts)::float8 as key
        from reading join sensor on sensor.id = sensor_id where cell_id = ${cellId}`.execute(db);
      expect(logged.map(keyOf).sort()).toEqual(rows.map(({ key }) => key).sort());
      for (const { name, ts, inMessage, hasFraction } of logged) {
        const was = first.get(`${name} ${ts}`);
        expect({ name, inMessage, hasFraction }).toEqual({
          name,
          inMessage: was !== undefined,
          hasFraction: was ?? false,
        });
      }
    };
    await fc.assert(fc.asyncProperty(fc.array(messages, { maxLength: 4 }), run), { numRuns: 60 });
  });

  it("shows those of one message side by side and at one place, and cuts none", async () => {
    const { db } = database;
    const cellId = await newCell(database);
    const start = await findSettledEnd(db);
    const groups = [1, 2, 3].map((ts) => {
      const message = { hasFraction: false };
      return [streams[0], streams[2]].map((stream) => reading(cellId, ts, { stream, message }));
    });
    await new Writer(db).write(groups, undefined);
    const logged = await readAll(db, start, [cellId], 3);
    expect(logged.map(({ ts }) => ts)).toEqual([1, 1, 2, 2, 3, 3]);
    expect(new Set(logged.map(({ position }) => position.nth)).size).toBe(3);
  });

  it("is read in parts where much of it is of other cells", async () => {
    const { db } = database;
    const [cellId, other] = [await newCell(database), await newCell(database)];
    const start = await findSettledEnd(db);
    const many = (from: number) =>
      Array.from({ length: 15_000 }, (_, at) => reading(other, from + at));
    await writeReadings(db, many(0));
    await writeReadings(db, many(20_000));
    await writeReadings(db, [reading(cellId, 1)]);
    await waitUntil(async () => (await readAll(db, start, [cellId])).length > 0);
    const part = await listArrivals(db, { after: start, cellIds: [cellId], limit: 10 });
    expect(part).toMatchObject({ readings: [], isWhole: false });
    expect(await readAll(db, part.next, [cellId])).toHaveLength(1);
  });

  it("forgets what is old or too much, and tells those who come from before", async () => {
    const { db } = database;
    const cellId = await newCell(database);
    const start = await findSettledEnd(db);
    await writeReadings(db, [reading(cellId, 1)]);
    await writeReadings(db, [reading(cellId, 2)]);
    const [first] = await readAll(db, start, [cellId]);
    const limits = { age_s: 3600, size_bytes: 1e9 };
    await forgetArrivals(db, limits);
    expect(await readAll(db, start, [cellId])).toHaveLength(2);

    await sql`update arrival set stored_at = stored_at - interval '2 hours' where (xid, id) <= (${first!.position.xid}::text::xid8, ${first!.position.id})`.execute(
      db,
    );
    await forgetArrivals(db, limits);
    await expect(findNews(db, start)).rejects.toMatchObject({ kind: "gone", code: "cursor_gone" });
    await expect(
      listArrivals(db, { after: start, cellIds: [cellId], limit: 1 }),
    ).rejects.toMatchObject({ kind: "gone" });
    const rest = { ...first!.position, id: first!.position.id + 1, nth: 0 };
    expect((await readAll(db, rest, [cellId])).map(({ ts }) => ts)).toEqual([2]);

    await forgetArrivals(db, { age_s: 3600, size_bytes: 0 });
    expect(await db.selectFrom("arrival").select("id").execute()).toEqual([]);
    expect(await db.selectFrom("reading").select("ts").execute()).not.toEqual([]);
  });

  it("ends behind what was stored last, and not at a transaction that stored nothing", async () => {
    const { db } = database;
    const cellId = await newCell(database);
    await writeReadings(db, [reading(cellId, 1)]);
    const end = await findSettledEnd(db);
    const { rows } = await sql<{ xid: number; id: number }>`
      select xid::text::bigint as xid, id from arrival order by xid desc, id desc limit 1`.execute(
      db,
    );
    expect(end).toMatchObject({ xid: rows[0]!.xid, id: rows[0]!.id + 1 });
    await sql`select pg_current_xact_id()`.execute(db);
    expect(await findSettledEnd(db)).toEqual(end);
    expect(await listArrivals(db, { after: end, cellIds: [cellId], limit: 1 })).toEqual({
      readings: [],
      next: end,
      isWhole: true,
    });
    expect(await findNews(db, end)).toBeUndefined();
  });

  it("is another one in another database", async () => {
    const end = await findLogEnd(database.db);
    const { xid } = end;
    for (const stranger of [
      { ...end, log: end.log + 1 },
      { ...end, xid: xid + 1e6 },
    ])
      await expect(findNews(database.db, stranger)).rejects.toMatchObject({ kind: "gone" });
  });
});
