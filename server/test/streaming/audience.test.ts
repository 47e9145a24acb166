import { sensorType } from "@ents-backend/schemas/sensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Admission } from "../../src/streaming/admission.ts";
import { Audience } from "../../src/streaming/audience.ts";
import { parseCursor } from "../../src/streaming/cursor.ts";
import type { Listener } from "../../src/streaming/listener.ts";
import { createCell, updateCell } from "../../src/store/cells.ts";
import { removeMember, setMember } from "../../src/store/members.ts";
import { revokeSession } from "../../src/store/sessions.ts";
import { writeReadings } from "../support/write-readings.ts";
import { testDeps } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { Ear } from "../support/ear.ts";
import { waitUntil } from "../support/wait-until.ts";
import { newUser } from "../support/users.ts";

const database = useDatabase();
let now = 1_705_363_200;

let audience: Audience;
let admission: Admission;
beforeAll(() => {
  const deps = testDeps(database.db, () => now);
  audience = new Audience(deps);
  audience.start();
  admission = new Admission({ ...deps, audience });
});
afterAll(async () => await audience.stop());

const newEar = (authorization?: string): Ear => new Ear(authorization);

let ts = 0;
async function store(cellId: number, values: readonly number[]): Promise<void> {
  const stream = sensorType("BME280_TEMP");
  await writeReadings(
    database.db,
    values.map((value) => ({
      cellId,
      stream,
      dataType: "float",
      ts: ts++,
      value,
      receivedAt: now,
      loggerId: null,
    })),
  );
}

const range = (from: number, length: number) => Array.from({ length }, (_, at) => from + at);
const follow = async (ear: Ear & Listener, cellIds: readonly number[], cursor?: string) =>
  await admission.follow(ear, cellIds, cursor === undefined ? undefined : parseCursor(cursor));

describe("who listens", () => {
  it("and can't take more is a place in the log, and hears all of it later, in order and once", async () => {
    const cellId = await newCell(database);
    const [slow, quick] = [newEar(), newEar()];
    await follow(slow, [cellId]);
    await follow(quick, [cellId]);
    await store(cellId, [0]);
    await waitUntil(() => slow.values().length === 1 && quick.values().length === 1);
    slow.ready = false;
    for (let at = 1; at < 40; at += 10) await store(cellId, range(at, 10));
    await waitUntil(() => quick.values().length === 41);
    expect(slow.values()).toEqual([0]);
    slow.ready = true;
    await waitUntil(() => slow.values().length >= 41);
    await store(cellId, [41]);
    await waitUntil(() => slow.values().includes(41));
    expect(slow.values()).toEqual(range(0, 42));
    expect(quick.values()).toEqual(range(0, 42));
  });

  it("hears of a flood the newest of each type, how many there were, and from where to read them", async () => {
    const cellId = await newCell(database);
    const ear = newEar();
    await follow(ear, [cellId]);
    await store(cellId, range(0, 3000));
    await store(cellId, [9999]);
    await waitUntil(() => ear.values().includes(9999));
    const merged = ear.named("readings_merged");
    const counted = merged.reduce((sum, { count }) => sum + Number(count), 0);
    const inMerged = new Set(merged.map(({ since }) => since));
    const alone = ear.heard.filter(
      ({ name, cursor }) => name === "measurement_received" && !inMerged.has(cursor),
    );
    expect(counted + alone.length).toBe(3001);
    expect(ear.heard.length).toBeLessThan(600);
    expect(ear.named("cursor").map(({ cursor }) => cursor)).toEqual(
      merged.map(({ until }) => until),
    );
  });

  it("comes with a cursor and hears each cell from there on, also beside cells that it follows already", async () => {
    const [first, second] = [await newCell(database), await newCell(database)];
    const ear = newEar();
    const { cursor } = await follow(ear, [first]);
    await store(first, [1]);
    await store(second, [2]);
    await waitUntil(() => ear.values().length === 1);
    await follow(ear, [second], cursor);
    await store(first, [3]);
    await store(second, [4]);
    await waitUntil(() => ear.values().length === 4);
    await store(first, [5]);
    await waitUntil(() => ear.values().includes(5));
    expect(ear.values()).toEqual([1, 2, 3, 4, 5]);
  });

  it("misses and doubles nothing while others come, go and fall behind under writers of all kinds", async () => {
    const cellId = await newCell(database);
    const steady = newEar();
    await follow(steady, [cellId]);
    const writing = Promise.all(
      range(0, 3).map(async (writer) => {
        for (let at = 0; at < 30; at += 1) await store(cellId, [writer * 100 + at]);
      }),
    );
    const guests: { ear: Ear; heardBefore: number }[] = [];
    for (let at = 0; at < 12; at += 1) {
      const ear = newEar();
      await follow(ear, [cellId]);
      guests.push({ ear, heardBefore: 0 });
      steady.ready = at % 3 !== 0;
      const cursor = steady.heard.at(-1)?.cursor;
      if (cursor !== undefined) {
        const resumed = newEar();
        const heardBefore = steady.values().length;
        await follow(resumed, [cellId], cursor);
        guests.push({ ear: resumed, heardBefore });
      }
    }
    await writing;
    steady.ready = true;
    await store(cellId, [1000]);
    const all = [steady, ...guests.map(({ ear }) => ear)];
    await waitUntil(() => all.every((ear) => ear.values().includes(1000)));
    expect(steady.values().toSorted((a, b) => a - b)).toEqual([
      ...range(0, 30),
      ...range(100, 30),
      ...range(200, 30),
      1000,
    ]);
    for (const { ear, heardBefore } of guests) {
      const heard = ear.values();
      // From where it came on, it heard what the steady one heard, in the same order.
      expect(heard).toEqual(steady.values().slice(-heard.length));
      if (heardBefore > 0) expect(heard).toEqual(steady.values().slice(heardBefore));
    }
  });
});

describe("a review of who may listen", () => {
  it("ends what has become private, for those who have no role on it", async () => {
    const owner = await newUser({ db: database.db, now });
    const { id: cellId } = await createCell(database.db, {
      name: "soon private",
      uploadPolicy: "open",
      userId: owner.id,
    });
    const [mine, others] = [newEar(owner.headers.authorization), newEar()];
    await follow(mine, [cellId]);
    await follow(others, [cellId]);
    await admission.review();
    expect(others.heard).toEqual([]);
    await updateCell(database.db, cellId, { visibility: "private" });
    await admission.review();
    await store(cellId, [1]);
    await waitUntil(() => mine.values().length === 1);
    expect(others.named("subscribe_error")).toEqual([
      { refused: [{ cellId, code: "cell_not_found", message: expect.any(String) as string }] },
    ]);
    expect(others.values()).toEqual([]);
  });

  it.each([
    ["whose token ends", "token_expired", async () => void (now += 16 * 60)],
    [
      "who is logged out",
      "session_over",
      async (_: number, session: string) => void (await revokeSession(database.db, session, now)),
    ],
    [
      "who is no member any more",
      "cell_not_found",
      async (cellId: number, _: string, userId: string) =>
        await removeMember(database.db, cellId, userId),
    ],
  ] as const)(
    "ends private cells for one %s, and leaves the public ones",
    async (_, code, change) => {
      const [owner, viewer] = [
        await newUser({ db: database.db, now }),
        await newUser({ db: database.db, now }),
      ];
      const { id: cellId } = await createCell(database.db, {
        name: `private ${code}`,
        uploadPolicy: "open",
        userId: owner.id,
        visibility: "private",
      });
      await setMember(database.db, cellId, viewer.id, "viewer");
      const open = await newCell(database);
      const ear = newEar(viewer.headers.authorization);
      expect(await follow(ear, [cellId, open])).toMatchObject({ cellIds: [cellId, open] });
      const { id: session } = await database.db
        .selectFrom("session")
        .select("id")
        .where("account_id", "=", viewer.id)
        .executeTakeFirstOrThrow();
      await change(cellId, session, viewer.id);
      await admission.review();
      await store(cellId, [1]);
      await store(open, [2]);
      await waitUntil(() => ear.values().length > 0);
      expect(ear.values()).toEqual([2]);
      expect(ear.named("subscribe_error")).toMatchObject([{ refused: [{ cellId, code }] }]);
    },
  );
});
