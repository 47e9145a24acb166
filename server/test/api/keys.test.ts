import { PassThrough } from "node:stream";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../src/db/connect.ts";
import { hashSecret } from "../../src/lib/secret.ts";
import { buildServer } from "../../src/resources/server.ts";
import { listApiKeys } from "../../src/store/api-keys.ts";
import { createCell } from "../../src/store/cells.ts";
import { revokeOtherSessions } from "../../src/store/sessions.ts";
import { newUploadKey } from "../../src/auth/keys.ts";
import { testDeps, useApi } from "../support/api.ts";
import { silentLog } from "../support/log.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
const day_s = 24 * 3600;

let ada: TestUser;
let bob: TestUser;
beforeAll(async () => {
  bob = await newUser(api);
});
beforeEach(async () => {
  ada = await newUser(api);
});

type Headers = Readonly<Record<string, string>>;

async function call(
  method: "GET" | "POST" | "DELETE",
  url: string,
  headers: Headers,
  body?: object,
) {
  return await api.inject({ method, url, headers, ...(body && { payload: body }) });
}

/** Makes a key of ada's; answers it with its number. */
async function makeKey(scopes: string[] = ["read"], more: object = {}) {
  const name = `key ${Math.random()}`;
  const answer = await call("POST", "/api/keys", ada.headers, { name, scopes, ...more });
  expect(answer.statusCode).toBe(201);
  return answer.json<{ id: number; key: string; prefix: string }>();
}

/** Begins to make a key, with a body that is yet to come. */
function begin(headers: Headers) {
  const body = new PassThrough();
  const answer = api.inject({
    method: "POST",
    url: "/api/keys",
    headers: { ...headers, "content-type": "application/json" },
    payload: body,
  });
  return { body, answer };
}

describe("/api/apikey/", () => {
  it("has no key at first, shows one whole when it is made, and its first characters later", async () => {
    expect((await call("GET", "/api/apikey/", ada.headers)).json()).toEqual({ api_key: null });
    const made = await call("POST", "/api/apikey/", ada.headers);
    const { api_key: key } = made.json<{ api_key: string }>();
    expect([made.statusCode, key]).toEqual([201, expect.stringMatching(/^ents_[\w-]{43}\w{6}$/)]);
    const shown = await call("GET", "/api/apikey", ada.headers);
    expect([shown.statusCode, shown.json()]).toEqual([200, { api_key: `${key.slice(0, 12)}…` }]);
  });

  it("makes no second key while there is one", async () => {
    await call("POST", "/api/apikey/", ada.headers);
    const again = await call("POST", "/api/apikey/", ada.headers);
    expect([again.statusCode, again.json().message]).toEqual([
      409,
      "API key already exists. Delete existing key before creating a new one.",
    ]);
  });

  it("deletes the key, which is no good from then on", async () => {
    const made = await call("POST", "/api/apikey/", ada.headers);
    const headers = { "x-api-key": made.json<{ api_key: string }>().api_key };
    expect((await call("GET", "/api/cell/?user=true", headers)).statusCode).toBe(200);
    const deleted = await call("DELETE", "/api/apikey/", ada.headers);
    expect([deleted.statusCode, deleted.json()]).toEqual([200, { message: "API key deleted" }]);
    expect((await call("GET", "/api/cell/?user=true", headers)).statusCode).toBe(401);
    expect((await call("DELETE", "/api/apikey/", ada.headers)).statusCode).toBe(404);
  });

  it("is one of the keys that /api/keys lists, with all scopes", async () => {
    await call("POST", "/api/apikey/", ada.headers);
    expect((await call("GET", "/api/keys", ada.headers)).json()).toMatchObject([
      { name: "default", scopes: ["read", "upload", "manage"], expires_at: null },
    ]);
  });
});

describe("/api/keys", () => {
  it("makes keys with names, scopes and an expiry, and shows each once", async () => {
    const expires_at = new Date((api.now + day_s) * 1000).toISOString();
    const wish = { name: " field laptop ", scopes: ["read", "upload"], expires_at };
    const made = await call("POST", "/api/keys/", ada.headers, wish);
    expect(made.statusCode).toBe(201);
    const { key, ...rest } = made.json<{ key: string }>();
    expect(rest).toEqual({
      id: expect.any(Number),
      name: "field laptop",
      prefix: key.slice(0, 12),
      scopes: ["read", "upload"],
      created_at: new Date(api.now * 1000).toISOString(),
      expires_at,
      last_used_at: null,
    });
    const listed = await call("GET", "/api/keys", ada.headers);
    expect([listed.statusCode, listed.json()]).toEqual([200, [rest]]);
  });

  it("takes forms", async () => {
    const answer = await api.inject({
      method: "POST",
      url: "/api/keys",
      headers: { ...ada.headers, "content-type": "application/x-www-form-urlencoded" },
      payload: "name=form&scopes=read,manage",
    });
    expect([answer.statusCode, answer.json().scopes]).toEqual([201, ["read", "manage"]]);
  });

  it("shows when a key was last used, to the minute", async () => {
    const { key } = await makeKey();
    await call("GET", "/api/cell/", { "x-api-key": key });
    const [shown] = (await call("GET", "/api/keys", ada.headers)).json();
    expect(shown.last_used_at).toBe(new Date(api.now * 1000).toISOString());
  });

  it.each([
    ["no name", { scopes: ["read"] }, "name"],
    ["an empty name", { name: " ", scopes: ["read"] }, "name"],
    ["no scopes", { name: "x" }, "scopes"],
    ["an empty list of scopes", { name: "x", scopes: [] }, "scopes"],
    ["an unknown scope", { name: "x", scopes: ["admin"] }, "scopes"],
    [
      "an expiry that is no time",
      { name: "x", scopes: ["read"], expires_at: "soon" },
      "expires_at",
    ],
    [
      "an expiry in the past",
      { name: "x", scopes: ["read"], expires_at: "2001-01-01" },
      "expires_at",
    ],
  ])("refuses %s, and names it", async (_, body, field) => {
    const answer = await call("POST", "/api/keys", ada.headers, body);
    expect([answer.statusCode, answer.json().message]).toEqual([
      400,
      expect.stringContaining(field),
    ]);
  });

  it("refuses a name that another of the user's keys has, in whatever letter case", async () => {
    await call("POST", "/api/keys", ada.headers, { name: "Probe", scopes: ["read"] });
    const wish = { name: "probe", scopes: ["read"] };
    expect((await call("POST", "/api/keys", ada.headers, wish)).statusCode).toBe(409);
    expect((await call("POST", "/api/keys", bob.headers, wish)).statusCode).toBe(201);
  });

  it("makes keys for the caller alone, whatever the body says", async () => {
    const wish = { name: "x", scopes: ["read"], user_id: bob.id, account_id: bob.id, id: 1 };
    const answer = await call("POST", "/api/keys", ada.headers, wish);
    const row = await api.db
      .selectFrom("api_key")
      .select("account_id")
      .where("id", "=", answer.json().id)
      .executeTakeFirstOrThrow();
    expect(row.account_id).toBe(ada.id);
  });

  it("doesn't know of other users' keys", async () => {
    const { id, key } = await makeKey();
    expect((await call("DELETE", `/api/keys/${id}`, bob.headers)).statusCode).toBe(404);
    expect((await call("GET", "/api/keys", bob.headers)).body).not.toContain(key.slice(0, 12));
    expect((await call("DELETE", `/api/keys/${id}`, ada.headers)).statusCode).toBe(200);
    expect((await call("DELETE", `/api/keys/${id}`, ada.headers)).statusCode).toBe(404);
  });

  it.each(["0", "-1", "1.5", "x", "99999999999"])("refuses the number %s", async (id) => {
    expect((await call("DELETE", `/api/keys/${id}`, ada.headers)).statusCode).toBe(400);
  });

  it("notes who made and deleted a key, and never the key", async () => {
    const { id, key } = await makeKey();
    await call("DELETE", `/api/keys/${id}`, ada.headers);
    const deeds = await api.db
      .selectFrom("audit")
      .select(["action", "account_id", "details"])
      .where("object_type", "=", "key")
      .where("object_id", "=", String(id))
      .orderBy("id")
      .execute();
    expect(deeds).toMatchObject([
      { action: "create", account_id: ada.id },
      { action: "delete", account_id: ada.id },
    ]);
    expect(JSON.stringify(deeds)).not.toContain(key);
  });
});

describe("managing keys", () => {
  it.each([
    ["GET", "/api/apikey/"],
    ["POST", "/api/apikey/"],
    ["DELETE", "/api/apikey/"],
    ["GET", "/api/keys"],
    ["POST", "/api/keys"],
    ["DELETE", "/api/keys/1"],
  ] as const)("is not for keys: %s %s", async (method, url) => {
    const { key } = await makeKey(["read", "upload", "manage"]);
    const body = method === "POST" ? { name: "x", scopes: ["read"] } : undefined;
    expect((await call(method, url, { "x-api-key": key }, body)).statusCode).toBe(403);
    expect((await call(method, url, {}, body)).statusCode).toBe(401);
  });
});

describe("a body that comes long after its head", () => {
  it("makes no key for a session that has ended meanwhile", async () => {
    const { body, answer } = begin(ada.headers);
    body.write('{"name":"late",');
    // It is read once its head has been seen to.
    await expect.poll(() => body.readableLength).toBe(0);
    await revokeOtherSessions(api.db, ada.id, undefined, api.now);
    body.end('"scopes":["manage"]}');
    expect((await answer).json()).toMatchObject({ status: 401, code: "session_over" });
    expect(await listApiKeys(api.db, ada.id)).toEqual([]);
  });

  it("makes one while the session goes on", async () => {
    const { body, answer } = begin(ada.headers);
    body.end('{"name":"in time","scopes":["manage"]}');
    expect((await answer).statusCode).toBe(201);
  });
});

describe("a key", () => {
  it("does what its scopes say, and no more", async () => {
    const userId = ada.id;
    const { id } = await createCell(api.db, { name: ada.email, uploadPolicy: "key", userId });
    await api.db.updateTable("cell").set({ visibility: "private" }).where("id", "=", id).execute();
    const statusOf = async (scopes: string[], method: "GET" | "DELETE") => {
      const headers = { "x-api-key": (await makeKey(scopes)).key };
      return (await call(method, `/api/cell/${id}`, headers)).statusCode;
    };
    expect(await statusOf(["read"], "GET")).toBe(200);
    expect(await statusOf(["upload"], "GET")).toBe(404);
    expect(await statusOf(["read", "upload"], "DELETE")).toBe(403);
    expect(await statusOf(["manage"], "DELETE")).toBe(200);
  });

  it("gives no rights of an admin", async () => {
    ada = await newUser(api, { admin: true });
    const { key } = await makeKey(["read", "upload", "manage"]);
    const userId = bob.id;
    const { id } = await createCell(api.db, { name: ada.email, uploadPolicy: "key", userId });
    expect((await call("DELETE", `/api/cell/${id}`, { "x-api-key": key })).statusCode).toBe(403);
    expect((await call("GET", "/api/audit", { "x-api-key": key })).statusCode).toBe(403);
  });

  it("ends when it expires", async () => {
    const expires_at = new Date((api.now + day_s) * 1000).toISOString();
    const { key } = await makeKey(["read"], { expires_at });
    const before = api.now;
    api.now += day_s - 1;
    expect((await call("GET", "/api/cell/", { "x-api-key": key })).statusCode).toBe(200);
    api.now += 1;
    const answer = await call("GET", "/api/cell/", { "x-api-key": key });
    api.now = before;
    expect([answer.statusCode, answer.json().code]).toEqual([401, "unknown_key"]);
  });

  it("is stored as a hash", async () => {
    const { id, key } = await makeKey();
    const row = await api.db
      .selectFrom("api_key")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(row.hash).toEqual(hashSecret(key));
    expect(JSON.stringify(row)).not.toContain(key.slice(12));
  });

  it("that can't be one is refused without a look into the database", async () => {
    const db = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
    const app = buildServer(testDeps(db, () => api.now));
    const { key } = await makeKey();
    const statusOf = async (shown: string) =>
      (await app.inject({ url: "/api/cell/", headers: { "x-api-key": shown } })).statusCode;
    const wrong = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");
    expect([await statusOf(wrong), await statusOf(key)]).toEqual([401, 503]);
    await app.close();
    await db.destroy();
  });

  it.each([
    ["of nobody", () => newUploadKey()],
    [
      "with a checksum that is wrong",
      (key: string) => key.slice(0, -1) + (key.endsWith("0") ? "1" : "0"),
    ],
    ["cut short", (key: string) => key.slice(0, -1)],
    ["of another kind", () => "0123456789abcdef".repeat(4)],
  ])("%s is refused", async (_, change) => {
    const { key } = await makeKey();
    const answer = await call("GET", "/api/cell/", { "x-api-key": change(key) });
    expect(answer.statusCode).toBe(401);
  });
});
