import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildServer } from "../../src/resources/server.ts";
import { createCell, type UploadPolicy } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { setMember } from "../../src/store/members.ts";
import { testDeps, useApi } from "../support/api.ts";
import { readSensor } from "../support/cells.ts";
import { decimal, decodeVerdicts, encodeVersion2, version2 } from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
const day_s = 24 * 3600;

let owner: TestUser;
let stranger: TestUser;
let loggerId = 0;
let serial = 0;
beforeAll(async () => {
  stranger = await newUser(api);
});
beforeEach(async () => {
  owner = await newUser(api);
  loggerId = await newLogger();
});

async function newLogger(userId: string | null = owner.id): Promise<number> {
  return (await createLogger(api.db, { name: `logger ${(serial += 1)}`, userId })).id;
}

async function newCell(userId: string, uploadPolicy: UploadPolicy = "key"): Promise<number> {
  const name = `plot ${(serial += 1)}`;
  return (await createCell(api.db, { name, uploadPolicy, userId })).id;
}

type Headers = Readonly<Record<string, string>>;

async function manage(
  method: "POST" | "DELETE",
  headers: Headers = owner.headers,
  body?: object,
  id: number = loggerId,
) {
  const url = `/api/logger/${id}/upload-key`;
  return await api.inject({ method, url, headers, ...(body && { payload: body }) });
}

async function newKey(body?: object, id: number = loggerId): Promise<string> {
  const answer = await manage("POST", owner.headers, body, id);
  expect(answer.statusCode).toBe(201);
  return answer.json<{ upload_key: string }>().upload_key;
}

/** Does something that many seconds later. */
async function after(seconds: number, act: () => Promise<void>): Promise<void> {
  api.now += seconds;
  await act().finally(() => (api.now -= seconds));
}

/** Uploads one reading to a cell by a key in the path; answers the status. */
async function upload(key: string, cellId: number, more: { loggerId?: number; ts?: number } = {}) {
  const message = formats["version 1"]({ cellId, ...more });
  return await api.inject({ method: "POST", url: `/u/${key}`, ...message });
}

describe("POST /api/logger/{id}/upload-key", () => {
  it("answers a key of 22 characters, once, and the URL to upload to", async () => {
    const answer = await manage("POST");
    const { upload_key: key } = answer.json<{ upload_key: string }>();
    expect([answer.statusCode, answer.json()]).toEqual([
      201,
      {
        upload_key: expect.stringMatching(/^[\w-]{22}$/),
        upload_url: `http://localhost:8000/u/${key}`,
        warning: expect.stringMatching(/^a node can't reach localhost: PUBLIC_URL/),
        previous_ends_at: null,
      },
    ]);
  });

  it.each([
    ["https://ents.example.org", "http://ents.example.org/u/", false],
    [`https://${"a".repeat(28)}.org`, `http://${"a".repeat(28)}.org/u/`, false],
    [`https://${"a".repeat(29)}.org`, `http://${"a".repeat(29)}.org/u/`, true],
    [`http://${"a".repeat(23)}.org:8000`, `http://${"a".repeat(23)}.org:8000/u/`, false],
    [`http://${"a".repeat(24)}.org:8000`, `http://${"a".repeat(24)}.org:8000/u/`, true],
  ])(
    "of %s gives a URL without TLS, and says when it is too long",
    async (publicUrl, start, long) => {
      const deps = testDeps(api.db, () => api.now);
      const app = buildServer({ ...deps, settings: { ...deps.settings, publicUrl } });
      const url = `/api/logger/${loggerId}/upload-key`;
      const answer = await app.inject({ method: "POST", url, headers: owner.headers });
      await app.close();
      const { upload_url, warning } = answer.json<{ upload_url: string; warning?: string }>();
      expect(upload_url.slice(0, -22)).toBe(start);
      expect(upload_url.length > 64).toBe(long);
      expect(warning?.includes("64")).toBe(long ? true : undefined);
    },
  );

  it("lets the key before go on for a day, or for as long as the caller says", async () => {
    const cellId = await newCell(owner.id);
    const first = await newKey();
    const answer = await manage("POST");
    expect(answer.json().previous_ends_at).toBe(new Date((api.now + day_s) * 1000).toISOString());
    const second = answer.json<{ upload_key: string }>().upload_key;
    await after(day_s - 1, async () => {
      expect((await upload(first, cellId)).statusCode).toBe(200);
    });
    await after(day_s, async () => {
      expect((await upload(first, cellId)).statusCode).toBe(401);
      expect((await upload(second, cellId)).statusCode).toBe(200);
    });
    const third = await newKey({ overlap_s: 0 });
    expect((await upload(second, cellId)).statusCode).toBe(401);
    expect((await upload(third, cellId)).statusCode).toBe(200);
  });

  it("doesn't give an older key more time", async () => {
    const cellId = await newCell(owner.id);
    const first = await newKey();
    await newKey({ overlap_s: 60 });
    await newKey({ overlap_s: day_s });
    await after(61, async () => {
      expect((await upload(first, cellId)).statusCode).toBe(401);
    });
  });

  it("leaves one key that goes on, of several that are made at once", async () => {
    const cellId = await newCell(owner.id);
    const keys = await Promise.all(Array.from({ length: 5 }, async () => newKey({ overlap_s: 0 })));
    const statuses = await Promise.all(keys.map(async (key) => upload(key, cellId)));
    expect(statuses.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
  });

  it.each([-1, 30 * day_s + 1, "soon", null])("refuses an overlap of %s", async (overlap_s) => {
    const answer = await manage("POST", owner.headers, { overlap_s });
    expect([answer.statusCode, answer.json().message]).toEqual([
      400,
      expect.stringContaining("overlap_s"),
    ]);
  });

  it("takes forms", async () => {
    const answer = await api.inject({
      method: "POST",
      url: `/api/logger/${loggerId}/upload-key/`,
      headers: { ...owner.headers, "content-type": "application/x-www-form-urlencoded" },
      payload: "overlap_s=3600",
    });
    expect(answer.statusCode).toBe(201);
  });

  it("is for the logger's owner and admins, and keys with the scope manage", async () => {
    const admin = await newUser(api, { admin: true });
    const keyOf = async (scopes: string[]) => {
      const wish = { name: scopes.join(), scopes };
      const url = "/api/keys";
      const made = await api.inject({ method: "POST", url, headers: owner.headers, payload: wish });
      return { "x-api-key": made.json<{ key: string }>().key };
    };
    const uploadKey = { "x-api-key": await newKey() };
    const all: [Headers, number][] = [
      [{}, 401],
      [stranger.headers, 403],
      [uploadKey, 403],
      [await keyOf(["read", "upload"]), 403],
      [await keyOf(["manage"]), 201],
      [admin.headers, 201],
    ];
    for (const [headers, status] of all) {
      expect((await manage("POST", headers)).statusCode).toBe(status);
      const deleted = await manage("DELETE", headers);
      expect(deleted.statusCode).toBe(status === 201 ? 200 : status);
    }
    expect((await manage("POST", owner.headers, {}, 2 ** 31 - 1)).statusCode).toBe(404);
  });

  it("keeps a hash, and notes who made it", async () => {
    const key = await newKey();
    const rows = await api.db.selectFrom("upload_key").selectAll().execute();
    const deeds = await api.db
      .selectFrom("audit")
      .selectAll()
      .where("object_type", "=", "upload_key")
      .where("object_id", "=", String(loggerId))
      .execute();
    expect(deeds).toMatchObject([{ action: "create", account_id: owner.id }]);
    expect(JSON.stringify([rows, deeds])).not.toContain(key);
  });
});

describe("DELETE /api/logger/{id}/upload-key", () => {
  it("ends all keys of the logger at once, and no other's", async () => {
    const cellId = await newCell(owner.id);
    const keys = [await newKey(), await newKey()];
    const other = await newKey({}, await newLogger());
    const answer = await manage("DELETE");
    expect([answer.statusCode, answer.json()]).toEqual([200, { message: "Upload keys deleted" }]);
    for (const key of keys) expect((await upload(key, cellId)).statusCode).toBe(401);
    expect((await upload(other, cellId)).statusCode).toBe(200);
  });
});

describe("POST /u/{key}", () => {
  it.each(Object.entries(formats))("takes %s", async (_, format) => {
    const cellId = await newCell(owner.id);
    const message = format({ cellId });
    const url = `/u/${await newKey()}/`;
    const added = await rowsAdded(api.db, async () => {
      expect((await api.inject({ method: "POST", url, ...message })).statusCode).toBe(200);
    });
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1 });
  });

  it("keeps the readings under the key's logger, and reads them as its own", async () => {
    const cellId = await newCell(owner.id);
    const { db } = api;
    await db
      .updateTable("logger")
      .set({ vwc_unit: "percent" })
      .where("id", "=", loggerId)
      .execute();
    const url = `/u/${await newKey()}`;
    const data = { vwcRaw: 1, vwcAdj: 0.5, temp: 1, ec: 1 };
    await api.postJson(url, { type: "teros12", cellId, ts: 1, data });
    const loggers = await db
      .selectFrom("reading")
      .innerJoin("sensor", "sensor.id", "sensor_id")
      .select("logger_id")
      .where("cell_id", "=", cellId)
      .distinct()
      .execute();
    expect(loggers).toEqual([{ logger_id: loggerId }]);
    const stream = ["TEROS12_VWC_ADJ", "Volumetric Water Content"] as const;
    expect((await readSensor(api, cellId, stream)).data).toEqual([0.5]);
  });

  it("is good for its own logger only", async () => {
    const cellId = await newCell(owner.id);
    const key = await newKey();
    const other = await newLogger();
    expect((await upload(key, cellId, { loggerId })).statusCode).toBe(200);
    for (const wrong of [other, 4_000_000_000]) {
      const kept = await quarantinedBy(api.db, async () => {
        const answer = await upload(key, cellId, { loggerId: wrong });
        expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([403, "0801"]);
      });
      expect(kept).toMatchObject([{ code: "other_logger", path: "/u/…" }]);
    }
  });

  it("refuses a message that names another logger once, and says where", async () => {
    const cellId = await newCell(owner.id);
    const meta = { cellId, ts: 1 };
    const message = encodeVersion2([
      { meta, type: 10, value: decimal(1), idx: 1 },
      { meta: { ...meta, loggerId: loggerId + 1 }, type: 10, value: decimal(1), idx: 2 },
    ]);
    const url = `/u/${await newKey()}`;
    const added = await rowsAdded(api.db, async () => {
      const headers = { "content-type": "application/octet-stream", ...version2 };
      const payload = Buffer.from(message);
      const answer = await api.inject({ method: "POST", url, headers, payload });
      expect([answer.statusCode, decodeVerdicts(answer.rawPayload)]).toEqual([
        403,
        [
          [1, 0],
          [2, 2],
        ],
      ]);
    });
    expect(added).toEqual({ quarantine: 1 });
  });

  it("uploads where the logger's owner may: to their own cells, those they edit, and open ones", async () => {
    const key = await newKey();
    const [edited, viewed, foreign] = [
      await newCell(stranger.id),
      await newCell(stranger.id),
      await newCell(stranger.id),
    ];
    await setMember(api.db, edited, owner.id, "editor");
    await setMember(api.db, viewed, owner.id, "viewer");
    const cells: [number, number][] = [
      [await newCell(owner.id), 200],
      [edited, 200],
      [await newCell(stranger.id, "open"), 200],
      [viewed, 403],
      [foreign, 403],
      [2 ** 32 - 1, 400],
    ];
    for (const [cellId, status] of cells)
      expect((await upload(key, cellId)).statusCode).toBe(status);
  });

  it("uploads to open cells only while its logger has no owner", async () => {
    const key = await newKey();
    const own = await newCell(owner.id);
    const open = await newCell(stranger.id, "open");
    await api.db.updateTable("logger").set({ user_id: null }).where("id", "=", loggerId).execute();
    expect((await upload(key, own)).statusCode).toBe(403);
    expect((await upload(key, open)).statusCode).toBe(200);
  });

  it.each(["AAAAAAAAAAAAAAAAAAAAAA", "short", "x".repeat(90), "%00", "a%2Fb"])(
    "with the unknown key %s is told so, and the upload kept, even for an open cell",
    async (key) => {
      const cellId = await newCell(owner.id, "open");
      const kept = await quarantinedBy(api.db, async () => {
        const added = await rowsAdded(api.db, async () => {
          const answer = await upload(key, cellId);
          expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([401, "0801"]);
        });
        expect(added).toEqual({ quarantine: 1 });
      });
      expect(kept).toMatchObject([{ code: "unknown_upload_key", path: "/u/…" }]);
    },
  );

  it("with an unknown key is told so in words where it isn't a node that asks", async () => {
    const answer = await api.postJson("/u/AAAAAAAAAAAAAAAAAAAAAA", {});
    expect([answer.statusCode, answer.json().code]).toEqual([401, "unknown_upload_key"]);
  });

  it("is the key's only other way beside X-API-Key", async () => {
    const cellId = await newCell(owner.id);
    const key = await newKey();
    const message = formats["plain JSON"]({ cellId });
    const by = async (headers: Headers) =>
      (await api.inject({ method: "POST", url: "/api/sensor/", ...message, headers })).statusCode;
    expect(await by({ "x-api-key": key })).toBe(200);
    expect(await by({ authorization: `Bearer ${key}` })).toBe(401);
  });
});
