import { randomUUID } from "node:crypto";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { describe, expect, it } from "vitest";
import { SteadyWriter } from "../../src/ingest/files/steady-writer.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { TtnClient } from "../../src/ttn/client.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { newKey } from "../support/keys.ts";
import { silentLog } from "../support/log.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { sentTs, uploadVoltage } from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";
import { newTeam } from "../support/team.ts";
import { useTtn } from "../support/ttn.ts";
import { newUser } from "../support/users.ts";

const ttn = useTtn();
const api = useApi(undefined, () => ({ ttn: new TtnClient(ttn.settings, silentLog) }));

interface Made {
  readonly logger_id: number;
  readonly ttn_device_id: string;
}

const imported = { stream: powerStreams.v, dataType: "float", ts: 1, value: 1 } as const;

const lorawan = {
  type: "ents",
  dev_eui: "0080e1150546d093",
  join_eui: "0101010101010101",
  app_key: "00112233445566778899aabbccddeeff",
};

describe("/api/logger", () => {
  it("makes a logger of the caller's, that others see without its DevEUI", async () => {
    const user = await newUser(api);
    const wish = {
      name: " Plot 7 ",
      type: "other",
      device_eui: " 0080e1150546d093 ",
      description: "d",
      vwc_unit: "percent",
      userEmail: user.email,
    };
    let id = 0;
    const added = await rowsAdded(api.db, async () => {
      const answer = await as(api, user).post("/api/logger/", { ...wish, id: null, user_id: null });
      expect(answer.statusCode).toBe(201);
      id = answer.json<Made>().logger_id;
      expect(answer.json()).toEqual({ message: "Successfully added logger", logger_id: id });
    });
    expect(added).toEqual({ logger: 1, audit: 1 });
    const logger = {
      id,
      name: "Plot 7",
      type: "other",
      device_eui: "0080E1150546D093",
      description: "d",
      date_created: expect.stringMatching(/Z$/),
      user_id: user.id,
      vwc_unit: "percent",
      ttn_device_id: null,
      last_received_at: null,
      conflicts: 0,
    };
    const admin = await newUser(api, { admin: true });
    const stranger = await newUser(api);
    for (const [who, device_eui] of [
      [user, "0080E1150546D093"],
      [admin, "0080E1150546D093"],
      [stranger, null],
    ] as const) {
      expect((await as(api, who).get(`/api/logger/${id}`)).json()).toEqual({
        ...logger,
        device_eui,
      });
      const all = (await as(api, who).get("/api/logger/")).json<object[]>();
      expect(all).toContainEqual({ ...logger, device_eui });
    }
    expect((await as(api, user).get("/api/logger/?user=true")).json()).toEqual([logger]);
    expect((await as(api, stranger).get("/api/logger/?user=true")).json()).toEqual([]);
    expect((await api.get("/api/logger/")).statusCode).toBe(401);
    expect((await api.get(`/api/logger/${id}`)).statusCode).toBe(401);
    expect(ttn.calls).toEqual([]);
  });

  it("takes forms", async () => {
    const ada = as(api, await newUser(api));
    const fields = { name: "formed", type: "other", device_eui: "", vwc_unit: "fraction" };
    const answer = await ada.form("POST", "/api/logger", fields);
    const { logger_id: id } = answer.json<Made>();
    expect((await ada.get(`/api/logger/${id}`)).json()).toMatchObject({
      name: "formed",
      device_eui: null,
      vwc_unit: "fraction",
    });
  });

  it("refuses a taken name, someone else's e-mail address and a key without the scope", async () => {
    const [ada, grace] = [await newUser(api), await newUser(api)];
    await as(api, ada).post("/api/logger/", { name: "Taken" });
    const added = await rowsAdded(api.db, async () => {
      for (const body of [{ name: " tAKEN " }, { ...lorawan, name: "taken" }]) {
        const taken = await as(api, grace).post("/api/logger/", body);
        expect([taken.statusCode, taken.json().message]).toEqual([400, "Duplicate logger name"]);
      }
      const body = { name: "x", userEmail: ada.email };
      expect((await as(api, grace).post("/api/logger/", body)).statusCode).toBe(403);
      const key = await newKey(api, grace, ["read", "upload"]);
      expect((await as(api, key).post("/api/logger/", { name: "x" })).statusCode).toBe(403);
      expect((await as(api, undefined).post("/api/logger/", { name: "x" })).statusCode).toBe(401);
    });
    expect(added).toEqual({});
    expect(ttn.calls).toEqual([]);
  });

  it.each<[object, string]>([
    [{ type: "x" }, "name"],
    [{ name: "" }, "name"],
    [{ name: "x", type: 1 }, "type"],
    [{ name: "x", device_eui: 1 }, "device_eui"],
    [{ name: "x", description: [] }, "description"],
    [{ name: "x", vwc_unit: "litres" }, "vwc_unit"],
    [{ name: "x", type: "ents", app_key: 1 }, "app_key"],
  ])("answers 400 for %j and names the field", async (body, field) => {
    const answer = await as(api, await newUser(api)).post("/api/logger/", body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().message).toContain(field);
  });

  it("lets its owner and admins change and delete it, and nobody else", async () => {
    const [owner, stranger] = [await newUser(api), await newUser(api)];
    const admin = await newUser(api, { admin: true });
    const { logger_id: id } = (
      await as(api, owner).post("/api/logger/", { name: "guarded" })
    ).json<Made>();
    const url = `/api/logger/${id}`;
    const added = await rowsAdded(api.db, async () => {
      for (const [who, status] of [
        [undefined, 401],
        [stranger, 403],
      ] as const) {
        expect((await as(api, who).put(url, { name: "stolen" })).statusCode).toBe(status);
        expect((await as(api, who).delete(url)).statusCode).toBe(status);
      }
    });
    expect(added).toEqual({});
    const body = { description: "e", vwc_unit: "fraction", user_id: stranger.id, id: 1 };
    const changed = await as(api, owner).put(url, body);
    expect(changed.json()).toEqual({ message: "Successfully updated logger" });
    expect((await as(api, owner).get(url)).json()).toMatchObject({
      id,
      name: "guarded",
      description: "e",
      vwc_unit: "fraction",
      user_id: owner.id,
    });
    await as(api, owner).put(url, { vwc_unit: null, description: null });
    expect((await as(api, owner).get(url)).json()).toMatchObject({
      vwc_unit: null,
      description: null,
    });
    await as(api, owner).post("/api/logger/", { name: "neighbour" });
    const taken = await as(api, owner).put(url, { name: "NEIGHBOUR" });
    expect([taken.statusCode, taken.json().message]).toEqual([400, "Duplicate logger name"]);
    expect((await as(api, admin).put(url, { name: "renamed" })).statusCode).toBe(200);
    expect((await as(api, owner).delete(url)).json()).toEqual({
      message: "Successfully deleted logger",
    });
    expect((await as(api, owner).get(url)).statusCode).toBe(404);
  });

  it("leaves a logger without an owner to admins", async () => {
    const { id } = await createLogger(api.db, { name: "nobody's" });
    const url = `/api/logger/${id}`;
    expect((await as(api, await newUser(api)).delete(url)).statusCode).toBe(403);
    const admin = await newUser(api, { admin: true });
    expect((await as(api, admin).delete(url)).statusCode).toBe(200);
  });

  it("answers 404 for a logger that there is not", async () => {
    const ada = as(api, await newUser(api));
    for (const answer of [
      await ada.get("/api/logger/99999"),
      await ada.put("/api/logger/99999", { name: "x" }),
      await ada.delete("/api/logger/99999"),
    ])
      expect([answer.statusCode, answer.json().message]).toEqual([404, "Logger not found"]);
  });
});

describe("the number of a logger", () => {
  it("is none that a node sends under already", async () => {
    const cellId = await newCell(api);
    const ada = as(api, await newUser(api));
    const make = async () => (await ada.post("/api/logger/", { name: randomUUID() })).json<Made>();
    const { logger_id: last } = await make();
    for (const loggerId of [last + 1, last + 2, last + 4])
      expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
    expect([(await make()).logger_id, (await make()).logger_id]).toEqual([last + 3, last + 5]);
  });

  it("may be one that its node sends already, for who owns the cell that it has sent to first", async () => {
    const [owner, other] = [await newTeam(api, "public"), await newTeam(api, "public")];
    for (const { id } of [owner, other])
      expect(await uploadVoltage(api, id, { loggerId: 4711 })).toBe(200);
    const unregistered = async (who: Parameters<typeof as>[1]) =>
      (await as(api, who).get("/api/logger/unregistered")).json<
        { id: number; cell_id: number }[]
      >();
    expect(await unregistered(owner.owner)).toEqual([
      { id: 4711, cell_id: owner.id, first_received_at: expect.any(String) },
    ]);
    expect(await unregistered(other.owner)).toEqual([]);
    // What a file says of when it came makes nobody the first.
    const late = await newTeam(api, "public");
    const backdated = { ...imported, cellId: late.id, receivedAt: 1, loggerId: 4711 };
    await new SteadyWriter({ db: api.db, clock: () => api.now }).write([backdated]);
    const claim = async (who: Parameters<typeof as>[1], id = 4711) =>
      (await as(api, who).post("/api/logger/", { name: `claimed ${id}`, id })).json<object>();
    const key = await newKey(api, owner.admin, ["manage"]);
    const added = await rowsAdded(api.db, async () => {
      for (const who of [other.owner, late.owner, owner.editor, key])
        expect(await claim(who)).toMatchObject({ status: 403, code: "logger_number_not_yours" });
      expect(await claim(owner.owner, 4712)).toMatchObject({ status: 403 });
      expect(await claim(owner.admin, 2 ** 31)).toMatchObject({ status: 400 });
    });
    expect(added).toEqual({});
    expect(await claim(owner.owner)).toMatchObject({ logger_id: 4711 });
    expect(await unregistered(owner.owner)).toEqual([]);
    for (const who of [owner.owner, owner.admin])
      expect(await claim(who)).toMatchObject({ status: 409, code: "logger_number_taken" });
    expect(await claim(owner.admin, 4712)).toMatchObject({ logger_id: 4712 });
  });
});

describe("the setting of a logger", () => {
  it("holds where its owner may upload, or sends; not for who uses the same number elsewhere", async () => {
    const [its, strange] = [await newTeam(api, "public"), await newTeam(api, "public")];
    const nobodys = await newCell(api);
    const byAdmin = { name: "an admin's", vwc_unit: "percent" };
    const admins = (await as(api, its.admin).post("/api/logger/", byAdmin)).json<Made>().logger_id;
    const wish = { name: "sends percent", vwc_unit: "percent" };
    const { logger_id: loggerId } = (
      await as(api, its.editor).post("/api/logger/", wish)
    ).json<Made>();
    const vwcOf = async (cellId: number, headers = {}, number = loggerId) => {
      const meta = { cellId, loggerId: number, ts: sentTs };
      const message = encodeVersion2([{ meta, type: 4, value: decimal(0.5) }]);
      expect((await api.postBytes(message, { ...version2, ...headers })).statusCode).toBe(200);
      const stream = ["TEROS12_VWC_ADJ", "Volumetric Water Content"] as const;
      const { data } = await readSensor(api, cellId, stream);
      return data;
    };
    expect(await vwcOf(its.id)).toEqual([0.5]);
    expect(await vwcOf(nobodys)).toEqual([0.5]);
    expect(await vwcOf(strange.id)).toEqual([50]);
    const own = await newTeam(api, "public");
    expect(await vwcOf(own.id, its.editor.headers)).toEqual([0.5]);
    const another = await newTeam(api, "public");
    expect(await vwcOf(another.id, {}, admins)).toEqual([0.5]);
  });
});

describe("a logger of type ents", () => {
  it("is registered on The Things Stack, and its key is kept nowhere", async () => {
    const user = await newUser(api);
    const answer = await as(api, user).post("/api/logger/", { ...lorawan, name: "Wet Plot" });
    expect(answer.statusCode).toBe(201);
    const { logger_id: id } = answer.json<Made>();
    const deviceId = `wet-plot-${id}`;
    expect(answer.json()).toEqual({
      message: "Successfully added logger",
      logger_id: id,
      ttn_registered: true,
      ttn_device_id: deviceId,
    });
    expect([...ttn.devices]).toEqual(
      ["identity", "ns", "as", "js"].map((server) => `${server} ${deviceId}`),
    );
    const shown = await as(api, user).get(`/api/logger/${id}`);
    expect(shown.json()).toMatchObject({
      device_eui: "0080E1150546D093",
      ttn_device_id: deviceId,
      ttn_status: { registered: true, last_seen_at: "2024-01-15T12:00:00Z" },
    });
    const kept = JSON.stringify([
      shown.json(),
      await api.db.selectFrom("audit").selectAll().execute(),
      await api.db.selectFrom("logger").selectAll().execute(),
    ]);
    expect(kept.toLowerCase()).not.toContain(lorawan.app_key);
    ttn.calls.length = 0;
    const stranger = (await as(api, await newUser(api)).get(`/api/logger/${id}`)).json();
    expect(stranger).not.toHaveProperty("ttn_status");
    expect(ttn.calls).toEqual([]);
  });

  it.each([
    {},
    { ...lorawan, dev_eui: "zz" },
    { ...lorawan, join_eui: "" },
    { ...lorawan, app_key: null },
  ])("without credentials as in %j is a logger all the same", async (credentials) => {
    const ada = as(api, await newUser(api));
    const name = `plain ${JSON.stringify(credentials).length}`;
    const answer = await ada.post("/api/logger/", { ...credentials, type: "ents", name });
    expect(answer.statusCode).toBe(201);
    expect(answer.json()).toMatchObject({
      ttn_registered: false,
      ttn_message: expect.stringContaining("app_key"),
    });
    const shown = await ada.get(`/api/logger/${answer.json<Made>().logger_id}`);
    expect(shown.json()).toMatchObject({ ttn_status: { registered: false } });
    expect(ttn.calls).toEqual([]);
  });

  it.each([
    ["identity", 409, 409],
    ["ns", 400, 502],
    ["as", 500, 502],
    ["js", "lost", 502],
  ] as const)("leaves nothing behind when %s answers %s", async (server, fate, status) => {
    const ada = as(api, await newUser(api));
    ttn.fate = (method, at) => (method !== "DELETE" && at === server ? fate : undefined);
    const added = await rowsAdded(api.db, async () => {
      const answer = await ada.post("/api/logger/", { ...lorawan, name: "unlucky" });
      expect(answer.statusCode).toBe(status);
      expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(answer.json().message).toContain("The Things Stack");
    });
    expect(added).toEqual({});
    expect([...ttn.devices]).toEqual([]);
  });

  it("leaves no device behind when its name is taken in the meantime", async () => {
    const ada = as(api, await newUser(api));
    const wishes = Array.from({ length: 3 }, () =>
      ada.post("/api/logger/", { ...lorawan, name: "raced" }),
    );
    const statuses = (await Promise.all(wishes)).map(({ statusCode }) => statusCode);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 400, 400]);
    expect(ttn.devices.size).toBe(4);
  });

  it("leaves The Things Stack when it is deleted, also under another name", async () => {
    const ada = as(api, await newUser(api));
    const made = await ada.post("/api/logger/", { ...lorawan, name: "leaving" });
    const url = `/api/logger/${made.json<Made>().logger_id}`;
    await ada.put(url, { name: "left" });
    const answer = await ada.delete(url);
    expect(answer.json()).toEqual({ message: "Successfully deleted logger", ttn_removed: true });
    expect([...ttn.devices]).toEqual([]);
  });

  it("stays when The Things Stack can't be brought to forget it, and goes at the next try", async () => {
    const ada = as(api, await newUser(api));
    const made = await ada.post("/api/logger/", { ...lorawan, name: "sticky" });
    const url = `/api/logger/${made.json<Made>().logger_id}`;
    ttn.fate = (method, at) => (method === "DELETE" && at === "as" ? "lost" : undefined);
    const added = await rowsAdded(api.db, async () => {
      expect((await ada.delete(url)).statusCode).toBe(502);
    });
    expect(added).toEqual({});
    ttn.fate = () => undefined;
    expect((await ada.delete(url)).statusCode).toBe(200);
    expect([...ttn.devices]).toEqual([]);
  });

  it("is shown also when the network can't be asked", async () => {
    const ada = as(api, await newUser(api));
    const made = await ada.post("/api/logger/", { ...lorawan, name: "remote" });
    ttn.fate = () => "lost";
    const shown = await ada.get(`/api/logger/${made.json<Made>().logger_id}`);
    expect(shown.json()).toMatchObject({ name: "remote", ttn_status: { registered: null } });
    ttn.fate = (method) => (method === "GET" ? 404 : undefined);
    const gone = await ada.get(`/api/logger/${made.json<Made>().logger_id}`);
    expect(gone.json()).toMatchObject({ ttn_status: { registered: false } });
  });
});

describe("without an application on The Things Stack", () => {
  const plain = useApi();

  it("a logger of type ents is a logger all the same", async () => {
    const ada = as(plain, await newUser(plain));
    const answer = await ada.post("/api/logger/", { ...lorawan, name: "offline" });
    expect([answer.statusCode, answer.json()]).toEqual([
      201,
      {
        message: "Successfully added logger",
        logger_id: 1,
        ttn_registered: false,
        ttn_message: "this server has no application on The Things Stack",
      },
    ]);
    expect((await ada.get("/api/logger/1")).json()).toMatchObject({
      ttn_status: { registered: false },
    });
  });
});
