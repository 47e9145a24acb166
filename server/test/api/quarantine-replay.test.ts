import { sql } from "kysely";
import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newUploadKey } from "../../src/auth/keys.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger, updateLogger } from "../../src/store/loggers.ts";
import { createUploadKey } from "../../src/store/upload-keys.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { readSensor } from "../support/cells.ts";
import { newKey } from "../support/keys.ts";
import { decimal, encodeVersion2, unknownSensorType, version2 } from "../support/messages.ts";
import {
  newestUpload,
  putInQuarantine,
  quarantined,
  sentTs,
  uploadVoltage,
} from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
const voltage = ["POWER_VOLTAGE", "Voltage"] as const;

let admin: TestUser;
let owner: TestUser;
let nowhere = 5000;
let receivedAt = 0;
beforeAll(async () => {
  receivedAt = api.now;
  admin = await newUser(api, { admin: true });
});
beforeEach(async () => {
  api.now = receivedAt;
  owner = await newUser(api);
  nowhere += 10;
});

async function replay(who: Parameters<typeof as>[1], id: number) {
  return await as(api, who).post(`/api/quarantine/${id}/replay`, {});
}

async function ordered(who: Parameters<typeof as>[1], body: object) {
  return await as(api, who).post("/api/quarantine/replay", body);
}

async function makeCell(id: number, userId = owner.id): Promise<void> {
  await api.db.transaction().execute(async (transaction) => {
    const name = `plot ${randomUUID()}`;
    await createCell(transaction, { name, uploadPolicy: "key", userId, id });
  });
}

async function newestDeed() {
  return await api.db
    .selectFrom("audit")
    .select(["actor", "account_id", "action", "object_type", "object_id", "cell_id", "details"])
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirstOrThrow();
}

describe("an upload for a cell that isn't there", () => {
  it("is stored once the cell is made with its number, as of the time at which it came", async () => {
    expect(await uploadVoltage(api, nowhere)).toBe(400);
    const id = await newestUpload(api.db);
    api.now += 600;
    const named = { name: `plot ${nowhere}`, id: nowhere };
    expect((await as(api, admin).post("/api/cell/", named)).statusCode).toBe(200);
    const added = await rowsAdded(api.db, async () => {
      const answer = await replay(admin, id);
      expect([answer.statusCode, answer.json()]).toEqual([
        200,
        { message: expect.any(String), stored: 1, repeated: 0, conflicting: 0 },
      ]);
    });
    expect(added).toEqual({ sensor: 2, reading: 1, logger_sighting: 1, quarantine: -1, audit: 1 });
    const url = `/api/power/${nowhere}?stream=true&timestamps=unix&startTime=${receivedAt - 1}`;
    expect((await api.get(url)).json()).toEqual({
      timestamp: [receivedAt],
      v: [850],
      i: [null],
      p: [null],
    });
    expect(await newestDeed()).toMatchObject({
      account_id: admin.id,
      action: "replay",
      object_type: "upload",
      object_id: String(id),
      cell_id: nowhere,
      details: { code: "unknown_cell", stored: 1 },
    });
    expect((await replay(admin, id)).statusCode).toBe(404);
  });

  it("stays while the cell is missing, and says how often it was tried", async () => {
    await uploadVoltage(api, nowhere);
    const id = await newestUpload(api.db);
    const added = await rowsAdded(api.db, async () => {
      const answer = await replay(admin, id);
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ code: "unknown_cell" });
    });
    expect(added).toEqual({ audit: 1 });
    const upload = (await as(api, admin).get(`/api/quarantine/${id}`)).json<object>();
    expect(upload).toMatchObject({ replays: 1, last_replayed_at: "2024-01-16T00:00:00.000Z" });
    expect(await newestDeed()).toMatchObject({ details: { refused: "unknown_cell" } });
  });

  it("is a repeat, or a conflict, where its readings have come meanwhile", async () => {
    for (const value of [850, 850, 900]) await uploadVoltage(api, nowhere, { value });
    const last = await newestUpload(api.db);
    await makeCell(nowhere);
    const outcomes = [last - 2, last - 1, last].map(async (id) => (await replay(owner, id)).json());
    const counts = await Promise.all(outcomes);
    expect(counts).toHaveLength(3);
    const sum = (key: string) =>
      counts.reduce((total, one) => total + (one as Record<string, number>)[key]!, 0);
    expect(["stored", "repeated", "conflicting"].map(sum).reduce((a, b) => a + b)).toBe(3);
    expect([sum("stored"), sum("conflicting") > 0]).toEqual([1, true]);
  });
});

describe("who replays", () => {
  it("stores with their own rights, not with those of who sent it", async () => {
    const cellId = nowhere;
    await makeCell(cellId);
    await sql`update cell set created_at = 'epoch' where id = ${cellId}`.execute(api.db);
    const stranger = await newUser(api);
    expect(await uploadVoltage(api, cellId, { headers: stranger.headers })).toBe(403);
    const id = await newestUpload(api.db);
    const refused = await replay(stranger, id);
    expect([refused.statusCode, refused.json()]).toEqual([
      403,
      expect.objectContaining({ code: "upload_forbidden" }),
    ]);
    expect((await replay(owner, id)).statusCode).toBe(200);
    expect((await readSensor(api, cellId, voltage)).data).toEqual([850]);
  });

  it("is not whoever makes the cell that somebody else's upload names", async () => {
    const sender = await newUser(api);
    expect(await uploadVoltage(api, nowhere, { headers: sender.headers })).toBe(400);
    const id = await newestUpload(api.db);
    await makeCell(nowhere);
    expect((await replay(owner, id)).statusCode).toBe(404);
    expect((await replay(sender, id)).json()).toMatchObject({ code: "upload_forbidden" });
  });

  it("may do so with a key of the scope manage", async () => {
    await uploadVoltage(api, nowhere);
    await makeCell(nowhere);
    const id = await newestUpload(api.db);
    const wrong = await newKey(api, owner, ["read", "upload"]);
    expect((await replay(wrong, id)).statusCode).toBe(403);
    expect((await replay(await newKey(api, owner, ["manage"]), id)).statusCode).toBe(200);
    expect(await newestDeed()).toMatchObject({ actor: expect.stringMatching(/^key \d+$/) });
  });

  it("makes what an older form names, as theirs", async () => {
    const name = `by name ${randomUUID()}`;
    const body = { cell: name, logger: name, ts: sentTs, v: 0.5, i: 0.001 };
    expect((await api.postJson("/api/power/", body)).statusCode).toBe(400);
    const id = await newestUpload(api.db);
    const added = await rowsAdded(api.db, async () => {
      expect((await replay(admin, id)).json()).toMatchObject({ stored: 2 });
    });
    expect(added).toMatchObject({ cell: 1, logger: 1, audit: 3, quarantine: -1 });
    const made = await api.db
      .selectFrom("cell")
      .select("user_id")
      .where("name", "=", name)
      .executeTakeFirst();
    expect(made).toEqual({ user_id: admin.id });
  });
});

describe("an upload by a logger's key", () => {
  it.each(["its owner", "an admin"])(
    "is kept under that logger, in its unit, by %s",
    async (who) => {
      const logger = await createLogger(api.db, { name: randomUUID(), userId: owner.id });
      const key = newUploadKey();
      await createUploadKey(api.db, logger.id, key, api.now, 0);
      const meta = { cellId: nowhere, loggerId: 0, ts: sentTs };
      const message = encodeVersion2([{ meta, type: 4, value: decimal(0.5) }]);
      const headers = { ...version2, "x-api-key": key };
      expect((await api.postBytes(message, headers)).statusCode).toBe(400);
      const id = await newestUpload(api.db);
      await makeCell(nowhere);
      await updateLogger(api.db, logger.id, { vwc_unit: "percent" });
      if (who === "an admin")
        await api.db
          .updateTable("cell")
          .set({ user_id: admin.id })
          .where("id", "=", nowhere)
          .execute();
      expect((await replay(who === "an admin" ? admin : owner, id)).statusCode).toBe(200);
      const rows = await api.db
        .selectFrom("reading")
        .innerJoin("sensor", "sensor.id", "sensor_id")
        .select(["value", "logger_id"])
        .where("cell_id", "=", nowhere)
        .execute();
      expect(rows).toEqual([{ value: 0.5, logger_id: logger.id }]);
    },
  );
});

describe("what is no measurement", () => {
  it.each([
    ["a sensor from the future", "unsupported_sensor"],
    ["bytes", "undecodable"],
    ["an unknown type", "unsupported_media_type"],
  ] as const)("%s: stays as it is", async (what, code) => {
    const future = encodeVersion2([
      { meta: { cellId: nowhere, ts: sentTs }, type: unknownSensorType, value: decimal(1) },
    ]);
    const body = what === "bytes" ? Buffer.from("ffff", "hex") : Buffer.from(future);
    const format = code === "unsupported_media_type" ? undefined : "measurement/v2";
    const id = await putInQuarantine(api.db, quarantined({ body, format, code: "before" }));
    const added = await rowsAdded(api.db, async () => {
      expect((await replay(admin, id)).json()).toMatchObject({ code });
    });
    expect(added).toEqual({ audit: 1 });
    expect((await as(api, admin).get(`/api/quarantine/${id}`)).json()).toMatchObject({ code });
  });
});

describe("POST /api/quarantine/replay", () => {
  it("is done one at a time, and one more of each user waits", async () => {
    const orders = Array.from({ length: 20 }, () => ordered(owner, { code: "unknown_cell" }));
    const answers = await Promise.all(orders);
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200, 429]));
    const refused = answers.find(({ statusCode }) => statusCode === 429)!;
    expect(refused.headers["retry-after"]).toBe("10");
    expect((await ordered(owner, { code: "unknown_cell" })).statusCode).toBe(200);
  });

  it("replays all that are for a cell, and says which are still refused", async () => {
    for (const value of [1, 1, 2]) await uploadVoltage(api, nowhere, { value });
    await uploadVoltage(api, nowhere + 1);
    const both = [nowhere, nowhere + 1].map((cellId) => ({
      meta: { cellId, ts: sentTs },
      type: 1,
      value: decimal(1),
    }));
    await api.postBytes(encodeVersion2(both), version2);
    const mixed = await newestUpload(api.db);
    await makeCell(nowhere);
    const added = await rowsAdded(api.db, async () => {
      const answer = await ordered(admin, { code: "unknown_cell", cell: nowhere });
      expect([answer.statusCode, answer.json()]).toEqual([
        200,
        {
          replayed: 3,
          stored: 1,
          repeated: 1,
          conflicting: 1,
          still_refused: [
            { id: mixed, code: "unknown_cell", reason: `there is no cell ${nowhere + 1}` },
          ],
          next: null,
        },
      ]);
    });
    expect(added).toMatchObject({ quarantine: -3, reading: 1, reading_conflict: 1, audit: 4 });
  });

  it("replays those that are named; what the caller may not see isn't there for them", async () => {
    await uploadVoltage(api, nowhere);
    const own = await newestUpload(api.db);
    await uploadVoltage(api, nowhere + 1);
    const other = await newestUpload(api.db);
    await makeCell(nowhere);
    const answer = await ordered(owner, { ids: [other, own, own] });
    expect(answer.json()).toMatchObject({
      replayed: 1,
      stored: 1,
      still_refused: [{ id: other, code: "upload_not_found" }],
      next: null,
    });
    expect((await as(api, admin).get(`/api/quarantine/${other}`)).statusCode).toBe(200);
  });

  it("goes on after `next`, where there are more than one call replays", async () => {
    const uploads = Array.from({ length: 502 }, () =>
      quarantined({ code: "many" }, { cellIds: [nowhere] }),
    );
    for (const upload of uploads) await putInQuarantine(api.db, upload);
    const first = (await ordered(admin, { code: "many" })).json<{ next: number }>();
    expect(first).toMatchObject({ replayed: 0, next: expect.any(Number) });
    const rest = { cell: nowhere, after: first.next };
    const second = (await ordered(admin, rest)).json<{ still_refused: object[] }>();
    expect(second).toMatchObject({ next: null, still_refused: { length: 2 } });
  });

  it.each([{}, { code: null, cell: null }, { ids: [] }, { ids: [1.5] }, { ids: ["x"] }])(
    "refuses %j",
    async (body) => {
      const added = await rowsAdded(api.db, async () => {
        expect((await ordered(admin, body)).statusCode).toBe(400);
      });
      expect(added).toEqual({});
    },
  );
});
