import { describe, expect, it } from "vitest";
import { newApiKey } from "../../src/auth/keys.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { useApi } from "../support/api.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

const ask = async (headers: Record<string, string>) => {
  const { statusCode, body } = await api.inject({ url: "/api/auth/logged_in", headers });
  return [statusCode, body];
};

describe("GET /auth/logged_in", () => {
  it("answers yes to a good token, and no to anything else", async () => {
    const { headers } = await newUser(api);
    const no = [401, '{"loggedIn":false}'];
    expect(await ask(headers)).toEqual([200, '{"loggedIn":true}']);
    expect(await ask({})).toEqual(no);
    expect(await ask({ authorization: "xx" })).toEqual(no);
    expect(await ask({ authorization: "Bearer xx" })).toEqual(no);
    expect(await ask({ "x-api-key": "xx" })).toEqual(no);
    api.now += 15 * 60;
    expect(await ask(headers)).toEqual(no);
  });
});

describe("GET /session", () => {
  it("tells who is logged in, and for how long", async () => {
    const { id, email, headers } = await newUser(api, { admin: true });
    const answer = await api.inject({ url: "/api/session", headers });
    expect(answer.statusCode).toBe(200);
    const begun = new Date(api.now * 1000);
    expect(answer.json()).toMatchObject({
      created_at: begun.toISOString(),
      ends_at: new Date(begun.getTime() + 30 * 86_400_000).toISOString(),
      user: { id, email, first_name: "Test", last_name: "User", admin: true },
    });
  });

  it("answers 401 to nobody, and 403 to a key: it has none", async () => {
    expect((await api.get("/api/session")).json()).toMatchObject({
      status: 401,
      message: "Unauthorized",
    });
    const { id: userId } = await newUser(api);
    const key = newApiKey();
    const { now } = api;
    const scopes = ["manage"];
    await createApiKey(api.db, { userId, name: "k", key, shownLength: 12, scopes, now });
    const headers = { "x-api-key": key };
    expect((await api.inject({ url: "/api/session", headers })).statusCode).toBe(403);
  });
});
