import { beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";
import { newTeam } from "../support/team.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

interface Named {
  readonly id: number;
  readonly name: string;
}

const orchard = {
  id: 1,
  name: "Orchard 100%",
  location: "north slope",
  latitude: 0,
  longitude: -180,
  archive: false,
  user_id: null,
  upload_policy: "open",
  visibility: "public",
  tags: [],
  role: null,
};
const meadow = {
  id: 2,
  name: "meadow",
  location: null,
  latitude: null,
  longitude: null,
  archive: false,
  user_id: null,
  upload_policy: "key",
  visibility: "public",
  tags: [],
  role: null,
};

beforeAll(async () => {
  const { name, location, latitude, longitude } = orchard;
  await createCell(api.db, { name, location, latitude, longitude, uploadPolicy: "open" });
  await createCell(api.db, { name: " meadow ", uploadPolicy: "key" });
});

describe("GET /api/cell", () => {
  it.each(["/api/cell/id", "/api/cell/id/", "/api/cell/", "/api/cell", "/api/cell?user=false"])(
    "%s lists all cells by number, to anyone",
    async (url) => {
      const answer = await api.get(url);
      expect([answer.statusCode, answer.json()]).toEqual([200, [orchard, meadow]]);
    },
  );

  it.each([
    ["ORCH", [orchard]],
    ["ea", [meadow]],
    ["0%25", [orchard]],
    ["_", []],
    ["%5C", []],
    ["", [orchard, meadow]],
    ["nothing", []],
  ])("finds cells whose name contains %j, as it stands", async (name, found) => {
    expect((await api.get(`/api/cell/?name=${name}`)).json()).toEqual(found);
  });

  it("lists one's own cells to those alone who have logged in", async () => {
    const answer = await api.get("/api/cell/?user=true");
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({ status: 401, code: "login_needed" });
  });
});

describe("GET /api/cell?tags=", () => {
  it("finds cells with any of some tags", async () => {
    const ada = as(api, await newUser(api));
    const tagged: number[] = [];
    for (const name of ["wet", "dry"]) {
      const { id } = (await ada.post("/api/tag/", { name })).json<{ tag: { id: number } }>().tag;
      await ada.post("/api/cell/", { name: `${name} cell`, tag_ids: [id] });
      tagged.push(id);
    }
    const [wet, dry] = tagged;
    const found = async (tags: string) =>
      (await api.get(`/api/cell/?tags=${tags}`)).json<{ name: string }[]>().map(({ name }) => name);
    expect(await found(`${wet}`)).toEqual(["wet cell"]);
    expect(await found(`${wet}, ${dry}`)).toEqual(["wet cell", "dry cell"]);
    expect(await found("999,99999999999")).toEqual([]);
    for (const { name, id } of (await ada.get("/api/cell?user=true")).json<Named[]>())
      expect([name, (await ada.delete(`/api/cell/${id}`)).statusCode]).toEqual([name, 200]);
  });

  it.each(["a", "1,", "1;2", "-1", "1.5"])("answers 400 for %j", async (tags) => {
    const answer = await api.get(`/api/cell/?tags=${tags}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ message: "Invalid tag IDs format" });
  });
});

describe("GET /api/cell/{id}", () => {
  it.each(["/api/cell/1", "/api/cell/1/", "/api//cell/1"])("%s answers one cell", async (url) => {
    expect((await api.get(url)).json()).toEqual(orchard);
  });

  it("answers 404 for a cell that there is not", async () => {
    const answer = await api.get("/api/cell/3");
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ message: "Cell not found", code: "cell_not_found" });
  });

  it.each(["x", "true", "0", "-1", "1.5", "2147483648"])("answers 400 for cell %s", async (id) => {
    expect((await api.get(`/api/cell/${id}`)).statusCode).toBe(400);
  });
});

describe("GET /api/cell/{id}/sensors", () => {
  it("lists nothing for a cell without readings, and for one that there is not", async () => {
    expect((await api.get("/api/cell/2/sensors")).json()).toEqual([]);
    expect((await api.get("/api/cell/3/sensors/")).json()).toEqual([]);
  });

  it("lists sensors in the order of their first readings, each once", async () => {
    const meta = { cellId: 1, ts: 1_705_316_400 };
    const humidity = { meta, type: 11, value: decimal(40) };
    const temperature = { meta, type: 10, value: { case: "signedInt", value: -4 } as const };
    for (const message of [[humidity], [temperature, humidity]])
      await api.postBytes(encodeVersion2(message), version2);
    const sensors = (await api.get("/api/cell/1/sensors")).json<{ id: number }[]>();
    expect(sensors).toEqual([
      {
        id: expect.any(Number),
        cell_id: 1,
        name: "BME280_HUMIDITY",
        measurement: "Humidity",
        unit: "%",
        data_type: "float",
      },
      {
        id: expect.any(Number),
        cell_id: 1,
        name: "BME280_TEMP",
        measurement: "Temperature",
        unit: "C",
        data_type: "int",
      },
    ]);
    expect(new Set(sensors.map(({ id }) => id)).size).toBe(2);
  });
});

describe("POST /api/cell", () => {
  const place = { location: "Santa Cruz", latitude: 36.99, longitude: -122.06, archive: true };

  it("makes a cell of the caller's, that takes uploads with a key and that all may read", async () => {
    const user = await newUser(api);
    let id = 0;
    const added = await rowsAdded(api.db, async () => {
      const wish = { name: "  made  ", ...place, userEmail: user.email.toUpperCase() };
      const answer = await as(api, user).post("/api/cell/", wish);
      expect(answer.statusCode).toBe(200);
      ({ id } = answer.json<Named>());
      expect(answer.json()).toEqual({ message: "Successfully added cell", id, name: "made" });
    });
    expect(added).toEqual({ cell: 1, audit: 1 });
    const cell = { id, name: "made", ...place, user_id: user.id, visibility: "public", tags: [] };
    expect((await api.get(`/api/cell/${id}`)).json()).toEqual({
      ...cell,
      upload_policy: "key",
      role: null,
    });
    expect((await as(api, user).get(`/api/cell/${id}`)).json()).toMatchObject({ role: "owner" });
  });

  it("takes forms, and reads their numbers and truths", async () => {
    const ada = as(api, await newUser(api));
    const tag = (await ada.post("/api/tag/", { name: "formed" })).json<{ tag: Named }>().tag;
    const fields = { latitude: "0", longitude: "-0.5", archive: "True", location: "" };
    const answer = await ada.form("POST", "/api/cell/", {
      name: "formed",
      ...fields,
      visibility: "private",
      tag_ids: `${tag.id}`,
    });
    expect(answer.statusCode).toBe(200);
    expect((await ada.get(`/api/cell/${answer.json<Named>().id}`)).json()).toMatchObject({
      latitude: 0,
      longitude: -0.5,
      archive: true,
      location: null,
      visibility: "private",
      tags: [{ id: tag.id, name: "formed" }],
    });
  });

  it("needs a name only", async () => {
    const ada = as(api, await newUser(api));
    const { id } = (await ada.post("/api/cell/", { name: "bare", archive: null })).json<Named>();
    const cell = { ...meadow, id, name: "bare", user_id: expect.any(String), role: "owner" };
    expect((await ada.get(`/api/cell/${id}`)).json()).toEqual(cell);
  });

  it.each([
    ["nobody", 401],
    ["a key to upload with", 403],
  ])("makes nothing for %s", async (who, status) => {
    const caller = who === "nobody" ? undefined : await newKey(api, await newUser(api), ["upload"]);
    const added = await rowsAdded(api.db, async () => {
      const answer = await as(api, caller).post("/api/cell/", { name: "nobody's" });
      expect(answer.statusCode).toBe(status);
    });
    expect(added).toEqual({});
  });

  it.each(["someone@example.org", "no@example.org"])(
    "makes no cell in the name of %s",
    async (userEmail) => {
      const someone = await newUser(api);
      if (userEmail.startsWith("someone"))
        await api.db
          .updateTable("account")
          .set({ email: userEmail })
          .where("id", "=", someone.id)
          .execute();
      const answer = await as(api, await newUser(api)).post("/api/cell/", { name: "x", userEmail });
      expect([answer.statusCode, answer.json().code]).toEqual([403, "not_your_email"]);
    },
  );

  it("ignores what is not the caller's to say", async () => {
    const [user, other] = [await newUser(api), await newUser(api)];
    const wish = { name: "assigned", user_id: other.id, owner: other.id, admin: true };
    const { id } = (await as(api, user).post("/api/cell/", wish)).json<Named>();
    expect((await api.get(`/api/cell/${id}`)).json()).toMatchObject({ user_id: user.id });
  });

  it("refuses a name that is taken, in whatever letter case, and wastes no number on it", async () => {
    const ada = as(api, await newUser(api));
    const { id } = (await ada.post("/api/cell/", { name: "Twice" })).json<Named>();
    for (const name of ["Twice", " tWICE "]) {
      const answer = await ada.post("/api/cell/", { name });
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ message: "Duplicate cell name" });
    }
    expect((await ada.post("/api/cell/", { name: "once more" })).json()).toMatchObject({
      id: id + 1,
    });
  });

  it("makes one cell of ten that come at once with one name", async () => {
    const ada = as(api, await newUser(api));
    const wishes = Array.from({ length: 10 }, () => ada.post("/api/cell/", { name: "raced" }));
    const statuses = (await Promise.all(wishes)).map(({ statusCode }) => statusCode);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(9).fill(400)]);
  });

  it.each<[object, RegExp]>([
    [{}, /name/],
    [{ name: "" }, /name/],
    [{ name: " \t " }, /name/],
    [{ name: null }, /name/],
    [{ name: 7 }, /name/],
    [{ name: "a\u0000b" }, /name/],
    [{ name: "x".repeat(101) }, /name/],
    [{ name: "x", latitude: 90.1 }, /latitude/],
    [{ name: "x", latitude: "36.99°" }, /latitude/],
    [{ name: "x", latitude: "90.1" }, /latitude/],
    [{ name: "x", longitude: -180.1 }, /longitude/],
    [{ name: "x", archive: "true" }, /archive/],
    [{ name: "x", location: 5 }, /location/],
    [{ name: "x", visibility: "secret" }, /visibility/],
    [{ name: "x", upload_policy: "all" }, /upload_policy/],
    [{ name: "x", tag_ids: "1" }, /tag_ids/],
    [{ name: "x", tag_ids: [999_999] }, /tag_ids/],
    [{ name: "x", tag_ids: [0.5] }, /tag_ids/],
  ])("answers 400 for %j, names the field and makes nothing", async (body, field) => {
    const ada = as(api, await newUser(api));
    const added = await rowsAdded(api.db, async () => {
      const answer = await ada.post("/api/cell/", body);
      expect(answer.statusCode).toBe(400);
      expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(answer.json().message).toMatch(field);
    });
    expect(added).toEqual({});
  });

  it.each([{ latitude: "north" }, { archive: "perhaps" }, { name: "" }])(
    "answers 400 for a form with %j",
    async (fields) => {
      const ada = as(api, await newUser(api));
      const answer = await ada.form("POST", "/api/cell/", { name: "bad form", ...fields });
      expect(answer.statusCode).toBe(400);
      expect(answer.json().message).toMatch(Object.keys(fields)[0]!);
    },
  );
});

describe("PUT /api/cell/{id}", () => {
  it("changes what is given and nothing else", async () => {
    const ada = as(api, await newUser(api));
    const { id } = (await ada.post("/api/cell/", { name: "moving", latitude: 1 })).json<Named>();
    const before = (await ada.get(`/api/cell/${id}`)).json<object>();
    const answer = await ada.put(`/api/cell/${id}/`, { location: "UCSC", lat: 0, long: -180 });
    expect(answer.json()).toEqual({ message: "Successfully updated cell" });
    const moved = { ...before, location: "UCSC", latitude: 0, longitude: -180 };
    expect((await ada.get(`/api/cell/${id}`)).json()).toEqual(moved);
    const again = { name: " Moved ", latitude: null, archive: true, location: null };
    expect((await ada.put(`/api/cell/${id}`, again)).statusCode).toBe(200);
    expect((await ada.get(`/api/cell/${id}`)).json()).toEqual({
      ...moved,
      ...again,
      name: "Moved",
    });
    await ada.form("PUT", `/api/cell/${id}`, { archive: "false", upload_policy: "open" });
    expect((await ada.get(`/api/cell/${id}`)).json()).toMatchObject({
      name: "Moved",
      archive: false,
      upload_policy: "open",
    });
  });

  it("reads coordinates that are texts, as the dashboard sends them", async () => {
    const ada = as(api, await newUser(api));
    const texts = { name: "typed", latitude: "36.99", longitude: "-122.06" };
    const { id } = (await ada.post("/api/cell/", texts)).json<Named>();
    const place = async () => (await ada.get(`/api/cell/${id}`)).json<object>();
    expect(await place()).toMatchObject({ latitude: 36.99, longitude: -122.06 });
    expect((await ada.put(`/api/cell/${id}`, { lat: " 37.5", long: "" })).statusCode).toBe(200);
    expect(await place()).toMatchObject({ latitude: 37.5, longitude: null });
  });

  it("takes a cell back as it was answered, with what is changed in it, from its editors too", async () => {
    const { id, editor } = await newTeam(api, "public");
    const grace = as(api, editor);
    const url = `/api/cell/${id}`;
    const before = (await grace.get(url)).json<object>();
    expect((await grace.put(url, { ...before, lat: 40, long: -100 })).statusCode).toBe(200);
    expect((await grace.get(url)).json()).toEqual({ ...before, latitude: 40, longitude: -100 });
  });

  it("refuses another cell's name, and takes its own in other letters", async () => {
    const ada = as(api, await newUser(api));
    const { id } = (await ada.post("/api/cell/", { name: "mine alone" })).json<Named>();
    const answer = await ada.put(`/api/cell/${id}`, { name: "MEADOW" });
    expect([answer.statusCode, answer.json().message]).toEqual([400, "Duplicate cell name"]);
    expect((await ada.put(`/api/cell/${id}`, { name: "MINE alone" })).statusCode).toBe(200);
  });

  it("answers 404 for a cell that there is not, and 400 for nonsense", async () => {
    const ada = as(api, await newUser(api));
    expect((await ada.put("/api/cell/99999", { name: "x" })).statusCode).toBe(404);
    const { id } = (await ada.post("/api/cell/", { name: "sane" })).json<Named>();
    for (const body of [{ lat: 91 }, { longitude: "east" }, { name: " " }, { tag_ids: [999_999] }])
      expect((await ada.put(`/api/cell/${id}`, body)).statusCode).toBe(400);
  });
});

describe("DELETE /api/cell/{id}", () => {
  it("deletes the cell; its number and name are nobody's", async () => {
    const ada = as(api, await newUser(api));
    const { id } = (await ada.post("/api/cell/", { name: "short-lived" })).json<Named>();
    const answer = await ada.delete(`/api/cell/${id}`);
    expect(answer.json()).toEqual({ message: "Cell deleted successfully" });
    expect((await ada.get(`/api/cell/${id}`)).statusCode).toBe(404);
    expect((await ada.delete(`/api/cell/${id}`)).statusCode).toBe(404);
    expect((await ada.post("/api/cell/", { name: "short-lived" })).statusCode).toBe(200);
  });
});

describe("a request that says JSON and has no body", () => {
  it("has none, where none is needed", async () => {
    const user = await newUser(api);
    const { id } = (await as(api, user).post("/api/cell/", { name: "habit" })).json<Named>();
    const headers = { ...user.headers, "content-type": "application/json" };
    const url = `/api/cell/${id}`;
    const put = await api.inject({ method: "PUT", url, headers });
    expect([put.statusCode, put.json().code]).toEqual([400, "invalid_request"]);
    expect((await api.inject({ method: "DELETE", url, headers })).statusCode).toBe(200);
  });
});

/** Owners may do everything, editors change a cell, viewers and strangers nothing. */
describe.each([
  ["owner", [200, 200, 200]],
  ["editor", [200, 403, 403]],
  ["viewer", [403, 403, 403]],
  ["stranger", [403, 403, 403]],
  ["admin", [200, 200, 200]],
  ["nobody", [401, 401, 401]],
] as const)("a public cell for its %s", (who, [change, decide, remove]) => {
  it("is changed, opened and deleted by those who may", async () => {
    const cell = await newTeam(api, "public");
    const caller = as(api, cell[who]);
    const url = `/api/cell/${cell.id}`;
    const changed = await rowsAdded(api.db, async () => {
      expect((await caller.put(url, { location: "there" })).statusCode).toBe(change);
      expect((await caller.put(url, { upload_policy: "key" })).statusCode).toBe(decide);
      expect((await caller.put(url, { visibility: "private" })).statusCode).toBe(decide);
      expect((await caller.delete(url)).statusCode).toBe(remove);
    });
    const deeds = [change, decide, decide, remove].filter((status) => status === 200).length;
    if (deeds === 0) expect(changed).toEqual({});
    else expect(changed).toMatchObject({ audit: deeds });
  });
});
