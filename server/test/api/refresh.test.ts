import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { Browser } from "../support/browser.ts";
import { createSession } from "../../src/store/sessions.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const day_s = 86_400;

/** A new session, by its first refresh token. */
async function newSession(): Promise<string> {
  const { id } = await newUser(api);
  return (await createSession(api.db, id, api.now)).token;
}

async function refresh(token: string) {
  const cookies = { "refresh-token": token };
  const answer = await api.inject({ url: "/api/auth/refresh", cookies });
  const next = answer.cookies.find(({ name }) => name === "refresh-token")?.value;
  return { status: answer.statusCode, body: answer.body, next: next ?? "", answer };
}

const isGood = async (accessToken: string) => {
  const headers = { authorization: `Bearer ${accessToken}` };
  return (await api.inject({ url: "/api/user", headers })).statusCode === 200;
};

describe("GET /auth/refresh", () => {
  it("trades the refresh token for an access token and the next refresh token", async () => {
    const first = await newSession();
    const { status, body, next, answer } = await refresh(first);
    expect(status).toBe(201);
    expect(answer.headers["content-type"]).toMatch("text/plain");
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(await isGood(body)).toBe(true);
    expect(next).toMatch(/^[\w-]{43}$/);
    expect(next).not.toBe(first);
    expect((await refresh(next)).status).toBe(201);
  });

  it("refuses none, and one that it doesn't know, and makes the browser forget it", async () => {
    const none = await api.get("/api/auth/refresh");
    const msg = "Invalid refresh token";
    expect(none.json()).toMatchObject({ status: 403, msg, message: msg });
    expect(none.cookies).toEqual([]);
    const unknown = await refresh("x".repeat(43));
    expect(unknown.status).toBe(403);
    expect(unknown.answer.cookies).toMatchObject([{ value: "", path: "/api/auth" }]);
    expect(unknown.answer.cookies[0]!.expires!.getTime()).toBe(0);
  });

  it("ends the session when a used token comes again, with its access tokens", async () => {
    const first = await newSession();
    const second = await refresh(first);
    api.now += 11;
    expect((await refresh(first)).status).toBe(403);
    expect((await refresh(second.next)).status).toBe(403);
    expect(await isGood(second.body)).toBe(false);
  });

  it("forgives two tabs, that refresh within 10 s with the same token", async () => {
    const first = await newSession();
    await refresh(first);
    api.now += 10;
    const other = await refresh(first);
    expect(other.status).toBe(201);
    expect((await refresh(other.next)).status).toBe(201);
  });

  it("forgives only the token just before: an older one ends the session at once", async () => {
    const first = await newSession();
    const second = await refresh(first);
    const third = await refresh(second.next);
    expect((await refresh(first)).status).toBe(403);
    expect((await refresh(third.next)).status).toBe(403);
    expect(await isGood(third.body)).toBe(false);
  });

  it("lets 50 refreshes at once succeed, and one session goes on", async () => {
    const first = await newSession();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(first)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 201));
    expect(new Set(answers.map(({ next }) => next)).size).toBe(50);
    expect((await refresh(answers[17]!.next)).status).toBe(201);
    // Of the others one that comes later is a stolen one: it ends all of them.
    api.now += 11;
    expect((await refresh(answers[3]!.next)).status).toBe(403);
    expect(await isGood(answers[17]!.body)).toBe(false);
  });

  it("goes on for a day from each use, and for 30 days in all", async () => {
    const unused = await newSession();
    let token = await newSession();
    const start = api.now;
    for (; api.now < start + 30 * day_s - 1; api.now += 0.9 * day_s) {
      const answer = await refresh(token);
      expect(answer.status).toBe(201);
      token = answer.next;
    }
    api.now = start + 30 * day_s - 1;
    token = (await refresh(token)).next;
    api.now = start + 30 * day_s;
    const late = await refresh(token);
    expect(late.status).toBe(401);
    expect(late.answer.cookies).toMatchObject([{ value: "" }]);
    api.now = start + day_s;
    expect((await refresh(unused)).status).toBe(401);
    api.now -= 1;
    expect((await refresh(unused)).status).toBe(201);
  });

  it("doesn't use the token up when only its head is asked for", async () => {
    const first = await newSession();
    const cookies = { "refresh-token": first };
    for (const url of ["/api/auth/refresh", "/api/auth/logout"])
      expect((await api.inject({ method: "HEAD", url, cookies })).cookies).toEqual([]);
    api.now += 60;
    expect((await refresh(first)).status).toBe(201);
  });

  it("works beside a token that has expired", async () => {
    const { headers } = await newUser(api);
    const first = await newSession();
    api.now += 3600;
    const cookies = { "refresh-token": first };
    const answer = await api.inject({ url: "/api/auth/refresh", cookies, headers });
    expect(answer.statusCode).toBe(201);
  });

  it("keeps only what can't be used: no token stands in the database", async () => {
    const first = await newSession();
    const { next, body } = await refresh(first);
    const dump = JSON.stringify(await api.db.selectFrom("refresh_token").selectAll().execute());
    for (const secret of [first, next, body]) {
      expect(dump).not.toContain(secret);
      const bytes = JSON.stringify(Buffer.from(secret, "base64url")).slice(20, -1);
      expect(dump).not.toContain(bytes);
    }
  });
});

describe("GET /auth/logout", () => {
  it("ends the session, its access tokens with it, and makes the browser forget", async () => {
    const { next, body } = await refresh(await newSession());
    const browser = new Browser(api);
    browser.cookies.set("refresh-token", next);
    const answer = await browser.get("/api/auth/logout");
    expect([answer.statusCode, answer.body]).toEqual([204, ""]);
    expect(browser.cookies.size).toBe(0);
    expect((await refresh(next)).status).toBe(403);
    expect(await isGood(body)).toBe(false);
    expect((await browser.get("/api/auth/logout")).statusCode).toBe(204);
  });

  it("ends the session of a token that comes without its cookie", async () => {
    const { headers } = await newUser(api);
    expect((await api.inject({ url: "/api/auth/logout", headers })).statusCode).toBe(204);
    expect((await api.inject({ url: "/api/user", headers })).statusCode).toBe(401);
    expect((await api.inject({ url: "/api/auth/logout", headers })).statusCode).toBe(204);
  });

  it("leaves a user's other sessions", async () => {
    const { id, headers } = await newUser(api);
    const { token } = await createSession(api.db, id, api.now);
    const cookies = { "refresh-token": token };
    await api.inject({ url: "/api/auth/logout", cookies });
    expect((await api.inject({ url: "/api/user", headers })).statusCode).toBe(200);
  });
});
