import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { setMember } from "../../src/store/members.ts";
import type { About, Quarantined } from "../../src/store/quarantine.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { base64, decimal, encodeVersion2, version2, webhook } from "../support/messages.ts";
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

interface List {
  readonly uploads: { readonly id: number }[];
  readonly next: number | null;
}

let user: TestUser;
let other: TestUser;
let admin: TestUser;
beforeEach(async () => {
  user = await newUser(api);
  other = await newUser(api);
  admin = await newUser(api, { admin: true });
});

async function list(who: TestUser, query = ""): Promise<List> {
  return (await as(api, who).get(`/api/quarantine${query}`)).json<List>();
}

async function idsOf(who: TestUser, query = ""): Promise<number[]> {
  return (await list(who, query)).uploads.map(({ id }) => id);
}

async function cellOf({ id: userId }: TestUser): Promise<{ id: number; name: string }> {
  const name = `Plot ${randomUUID()}`;
  return await createCell(api.db, { name, uploadPolicy: "key", userId });
}

async function loggerOf({ id: userId }: TestUser, deviceEui?: string): Promise<number> {
  const device = deviceEui === undefined ? {} : { deviceEui };
  return (await createLogger(api.db, { name: randomUUID(), userId, ...device })).id;
}

const newEui = () => randomUUID().replaceAll("-", "").slice(0, 16).toUpperCase();

async function put(changes: Partial<Quarantined>, about: Partial<About> = {}): Promise<number> {
  return await putInQuarantine(api.db, quarantined(changes, about));
}

/** Whether the user sees it, where another doesn't unless it is said; and admins do. */
async function seenBy(upload: Quarantined): Promise<{ user: boolean; other: boolean }> {
  const id = await putInQuarantine(api.db, upload);
  const sees = async (who: TestUser) => {
    const { statusCode } = await as(api, who).get(`/api/quarantine/${id}`);
    const listed = (await idsOf(who)).includes(id);
    expect([statusCode, listed]).toEqual(listed ? [200, true] : [404, false]);
    return listed;
  };
  expect(await sees(admin)).toBe(true);
  return { user: await sees(user), other: await sees(other) };
}

/** Whether the user sees an upload that is about this. */
async function seen(about: Partial<About>): Promise<boolean> {
  return (await seenBy(quarantined({}, { decodes: true, ...about }))).user;
}

describe("GET /api/quarantine", () => {
  it("lists the newest first, page by page, of a code, a cell or a time", async () => {
    const cell = 900_001;
    const first = await put({ code: "first" }, { cellIds: [cell] });
    const second = await put({ code: "second", receivedAt: sentTs + 60 }, { cellIds: [1, cell] });
    const third = await put({ code: "second" }, { cellNames: ["The Third"] });
    const page = await list(admin, "?limit=2");
    expect([page.uploads.map(({ id }) => id), page.next]).toEqual([[third, second], second]);
    expect(await idsOf(admin, `?limit=1&before=${second}`)).toEqual([first]);
    expect(await idsOf(admin, "?code=second")).toEqual([third, second]);
    expect(await idsOf(admin, `?cell=${cell}`)).toEqual([second, first]);
    expect(await idsOf(admin, "?cell=the%20THIRD")).toEqual([third]);
    const since = new Date((sentTs + 60) * 1000).toISOString();
    expect(await idsOf(admin, `?cell=${cell}&since=${since}`)).toEqual([second]);
    expect(await list(admin, "?code=none")).toEqual({ uploads: [], next: null });
  });

  it.each(["limit=0", "limit=1001", "before=0", "before=1.5", "since=soon"])(
    "refuses %s",
    async (query) => {
      const answer = await as(api, admin).get(`/api/quarantine?${query}`);
      expect(answer.statusCode).toBe(400);
    },
  );

  it("says what each is about", async () => {
    await uploadVoltage(api, 4_294_967_295, { headers: user.headers, loggerId: 12 });
    const { uploads } = await list(user);
    expect(uploads).toEqual([
      {
        id: await newestUpload(api.db),
        received_at: "2024-01-16T00:00:00.000Z",
        path: "/api/sensor/",
        format: "measurement/v2",
        code: "unknown_cell",
        reason: "there is no cell 4294967295",
        size: expect.any(Number),
        decodes: true,
        keyed: true,
        account_id: user.id,
        logger_id: null,
        device_eui: null,
        cell_ids: [4_294_967_295],
        cell_names: [],
        logger_numbers: [12],
        replays: 0,
        last_replayed_at: null,
      },
    ]);
  });
});

describe("GET /api/quarantine/{id}", () => {
  it("shows the bytes, the headers and the measurements", async () => {
    await uploadVoltage(api, 900_002, { value: Number.NaN });
    const id = await newestUpload(api.db);
    const { body } = await api.db
      .selectFrom("quarantine")
      .select("body")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect((await as(api, admin).get(`/api/quarantine/${id}`)).json()).toMatchObject({
      id,
      headers: { "content-type": "application/octet-stream", sensorversion: "2" },
      hex: body.toString("hex"),
      text: null,
      decoded: {
        measurements: [
          {
            cell: { id: 900_002 },
            logger: { id: 7 },
            ts: sentTs,
            values: [{ name: "POWER_VOLTAGE", measurement: "Voltage", unit: "mV", value: null }],
          },
        ],
      },
    });
  });

  it("shows text as text, and what is wrong with it", async () => {
    const payload = '{"type": "bme280", ';
    await api.inject({
      method: "POST",
      url: "/api/sensor/",
      headers: { "content-type": "application/json" },
      payload,
    });
    const id = await newestUpload(api.db);
    expect((await as(api, admin).get(`/api/quarantine/${id}`)).json()).toMatchObject({
      text: payload,
      decodes: false,
      decoded: { refused: "the body is not JSON" },
    });
  });

  it("tells what went wrong inside to admins only", async () => {
    const failed = { code: "internal_error", reason: "error: relation x", sentBy: userId() };
    const id = await putInQuarantine(api.db, quarantined(failed));
    const reasonFor = async (who: TestUser) =>
      (await as(api, who).get(`/api/quarantine/${id}`)).json<{ reason: string }>().reason;
    expect(await reasonFor(admin)).toBe("error: relation x");
    expect(await reasonFor(user)).toMatch("something went wrong here");
  });
});

const userId = () => ({ userId: user.id });

describe("who sees an upload", () => {
  it("is who sent it, or who owns the logger by whose key it came", async () => {
    const onlyUser = { user: true, other: false };
    expect(await seenBy(quarantined({ sentBy: userId() }))).toEqual(onlyUser);
    const loggerId = await loggerOf(user);
    expect(await seenBy(quarantined({ sentBy: { loggerId } }))).toEqual(onlyUser);
    expect(await seenBy(quarantined())).toEqual({ user: false, other: false });
  });

  it("is who owns all the cells that it names, as far as there are any", async () => {
    const own = await cellOf(user);
    const foreign = await cellOf(other);
    expect(await seen({ cellIds: [own.id] })).toBe(true);
    expect(await seen({ cellIds: [own.id, 900_003] })).toBe(true);
    expect(await seen({ cellNames: [own.name.toUpperCase()] })).toBe(true);
    expect(await seen({ cellIds: [own.id, foreign.id] })).toBe(false);
    expect(await seen({ cellIds: [own.id], cellNames: [foreign.name] })).toBe(false);
    expect(await seen({ cellIds: [900_003] })).toBe(false);
    expect(await seen({})).toBe(false);
  });

  it("isn't who merely edits the cell, or names its logger's number", async () => {
    const cell = await cellOf(other);
    await setMember(api.db, cell.id, user.id, "editor");
    const about = { decodes: true, cellIds: [cell.id], loggerNumbers: [await loggerOf(user)] };
    expect(await seenBy(quarantined({}, about))).toEqual({ user: false, other: true });
  });

  it("is who owns the device of a webhook, while it is nobody else's", async () => {
    const deviceEui = newEui();
    const upload = quarantined({}, { deviceEui, cellIds: [900_004] });
    expect((await seenBy(upload)).user).toBe(false);
    await loggerOf(user, deviceEui.toLowerCase());
    expect(await seenBy(upload)).toEqual({ user: true, other: false });
    const foreign = await cellOf(other);
    const forOther = quarantined({}, { deviceEui, cellIds: [foreign.id] });
    expect(await seenBy(forOther)).toEqual({ user: false, other: true });
    await loggerOf(other, deviceEui);
    expect(await seenBy(upload)).toEqual({ user: false, other: false });
  });

  it("finds what a webhook of their device sent, and isn't told who else sent something", async () => {
    const deviceEui = newEui();
    await loggerOf(user, deviceEui);
    const meta = { cellId: 900_005, loggerId: 1, ts: sentTs };
    const message = encodeVersion2([{ meta, type: 1, value: decimal(1) }]);
    const uplink = webhook({ f_port: 2, frm_payload: base64(message) });
    const ids = { end_device_ids: { device_id: "x", dev_eui: deviceEui.toLowerCase() } };
    const { headers } = other;
    const sent = { method: "POST", url: "/api/sensor/", headers } as const;
    await api.inject({ ...sent, payload: { ...uplink, ...ids } });
    expect((await list(user)).uploads).toMatchObject([
      { device_eui: deviceEui, cell_ids: [900_005], account_id: null, keyed: true },
    ]);
    expect((await list(other)).uploads).toMatchObject([{ account_id: other.id }]);
  });
});

describe("DELETE /api/quarantine/{id}", () => {
  it("discards one for good, and notes that", async () => {
    const own = await cellOf(user);
    await uploadVoltage(api, own.id);
    const id = await newestUpload(api.db);
    const url = `/api/quarantine/${id}`;
    const refused = await rowsAdded(api.db, async () => {
      expect((await as(api, other).delete(url)).statusCode).toBe(404);
      expect((await as(api, undefined).delete(url)).statusCode).toBe(401);
    });
    expect(refused).toEqual({});
    const added = await rowsAdded(api.db, async () => {
      expect((await as(api, user).delete(url)).statusCode).toBe(200);
    });
    expect(added).toEqual({ quarantine: -1, audit: 1 });
    expect((await as(api, user).delete(url)).statusCode).toBe(404);
    const deed = await api.db
      .selectFrom("audit")
      .select(["account_id", "action", "object_type", "details"])
      .orderBy("id", "desc")
      .executeTakeFirst();
    const details = expect.objectContaining({ code: "upload_key_required" });
    const [account_id, action, object_type] = [user.id, "delete", "upload"];
    expect(deed).toEqual({ account_id, action, object_type, details });
  });
});

it("is readable to the owner of a cell also where only its metadata can be read", async () => {
  const own = await cellOf(user);
  const meta = { cellId: own.id, loggerId: 3, ts: sentTs };
  const message = encodeVersion2([{ meta, type: 250, value: decimal(1) }]);
  expect((await api.postBytes(message, version2)).statusCode).toBe(400);
  expect((await list(user)).uploads).toMatchObject([
    { decodes: false, code: "unsupported_sensor", cell_ids: [own.id], logger_numbers: [3] },
  ]);
});
