import { describe, expect, it } from "vitest";
import { FailureLog } from "../../src/auth/failure-log.ts";
import { buildServer } from "../../src/resources/server.ts";
import { listDeeds } from "../../src/store/audit.ts";
import { recordLoginFailure } from "../../src/store/login-failures.ts";
import { findUserByEmail } from "../../src/store/users.ts";
import { testDeps, useApi } from "../support/api.ts";
import { Browser } from "../support/browser.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const password = "a password of some length";
let count = 0;

/** Somebody who has not registered yet. */
function newPerson() {
  count += 1;
  const email = `Person-${count}@Example.org`;
  return { email, password, first_name: "Per", last_name: "Son" };
}

async function registered() {
  const person = newPerson();
  const browser = new Browser(api);
  const answer = await browser.post("/api/auth/register", person);
  expect(answer.statusCode).toBe(201);
  const headers = { authorization: `Bearer ${answer.body}` };
  return { ...person, browser, headers };
}

const whoAmI = async (headers: Record<string, string>) =>
  (await api.inject({ url: "/api/user", headers })).statusCode;

const guess = async (email: string, remoteAddress = "192.0.2.1", guessed = "a wrong guess") =>
  await api.inject({
    method: "POST",
    url: "/api/auth/login",
    payload: { email, password: guessed },
    remoteAddress,
  });

const change = async (headers: Record<string, string>, payload: object) =>
  await api.inject({ method: "POST", url: "/api/auth/password", headers, payload });

describe("POST /auth/register", () => {
  it("makes an account and logs in: a token as text, and a cookie to go on with", async () => {
    const person = newPerson();
    const answer = await api.postJson("/api/auth/register", {
      ...person,
      email: ` ${person.email} `,
      first_name: " Per ",
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.body).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const user = await api.inject({
      url: "/api/user",
      headers: { authorization: `Bearer ${answer.body}` },
    });
    const { email, first_name, last_name } = person;
    expect(user.json()).toEqual({ email, first_name, last_name });
    const found = (await findUserByEmail(api.db, person.email))!;
    expect(found.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await listDeeds(api.db, { limit: 1 }))[0]).toMatchObject({
      action: "register",
      actor: "user",
      account_id: found.id,
      address: "127.0.0.1",
    });
  });

  it("takes a form as well", async () => {
    const person = newPerson();
    const answer = await api.inject({
      method: "POST",
      url: "/api/auth/register",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      payload: new URLSearchParams(person).toString(),
    });
    expect(answer.statusCode).toBe(201);
    expect(await findUserByEmail(api.db, person.email)).toMatchObject({ first_name: "Per" });
  });

  it("takes people with one name", async () => {
    const { last_name: _, ...mononymous } = newPerson();
    expect((await api.postJson("/api/auth/register", mononymous)).statusCode).toBe(201);
    const form = new URLSearchParams({ ...newPerson(), last_name: "" }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = "/api/auth/register";
    const answer = await api.inject({ method: "POST", url, headers, payload: form });
    expect(answer.statusCode).toBe(201);
  });

  it("says that an address is taken, in whatever letter case", async () => {
    const { email } = await registered();
    const again = { ...newPerson(), email: email.toUpperCase() };
    const answer = await api.postJson("/api/auth/register", again);
    expect(answer.json()).toMatchObject({ status: 409, code: "email_taken" });
  });

  it.each([
    ["email", undefined],
    ["email", "no address"],
    ["email", "a@b"],
    ["email", "a@b.c\u0000"],
    ["email", ["a@b.org"]],
    ["password", undefined],
    ["password", "too short"],
    ["password", "Password123"],
    ["password", "x".repeat(201)],
    ["password", 1234567890123],
    ["first_name", undefined],
    ["first_name", "  "],
    ["last_name", "x".repeat(101)],
  ])("names %s when it is %j", async (field, value) => {
    const answer = await api.postJson("/api/auth/register", { ...newPerson(), [field]: value });
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ message: string }>().message).toMatch(field);
  });

  it("stores nothing that it doesn't ask for", async () => {
    const person = newPerson();
    const id = "11111111-1111-4111-8111-111111111111";
    const more = { admin: true, id, user_id: id, email_verified: true, password_hash: "x" };
    await api.postJson("/api/auth/register", { ...person, ...more });
    const found = (await findUserByEmail(api.db, person.email))!;
    expect(found).toMatchObject({ admin: false, email_verified: false });
    expect(found.id).not.toBe(id);
  });

  it("makes no accounts where registration is closed", async () => {
    const deps = testDeps(api.db, () => api.now);
    const settings = { ...deps.settings, registrationOpen: false };
    const server = buildServer({ ...deps, settings });
    const payload = newPerson();
    const answer = await server.inject({ method: "POST", url: "/api/auth/register", payload });
    expect(answer.json()).toMatchObject({ status: 403, code: "registration_closed" });
    expect(await findUserByEmail(api.db, payload.email)).toBeUndefined();
    await server.close();
  });
});

describe("POST /auth/login", () => {
  it("lets in who knows the password, however they write their address", async () => {
    const { email } = await registered();
    const login = { email: ` ${email.toUpperCase()}`, password };
    const answer = await api.postJson("/api/auth/login", login);
    expect(answer.statusCode).toBe(201);
    expect(await whoAmI({ authorization: `Bearer ${answer.body}` })).toBe(200);
    expect((await listDeeds(api.db, { limit: 1 }))[0]).toMatchObject({ action: "log_in" });
  });

  it("takes a form as well, and a token that has expired along with it", async () => {
    const { email } = await registered();
    const answer = await api.inject({
      method: "POST",
      url: "/api/auth/login",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        authorization: "Bearer stale",
      },
      payload: new URLSearchParams({ email, password }).toString(),
    });
    expect(answer.statusCode).toBe(201);
  });

  it("gives one answer to a wrong password and to an unknown address", async () => {
    const { email } = await registered();
    const wrong = await api.postJson("/api/auth/login", { email, password: `${password}!` });
    const unknown = await api.postJson("/api/auth/login", { email: "no@one.org", password });
    expect(wrong.statusCode).toBe(401);
    const { request_id: one, ...said } = wrong.json<Record<string, unknown>>();
    const { request_id: other, ...alike } = unknown.json<Record<string, unknown>>();
    expect([alike, one === other]).toEqual([said, false]);
    expect(Object.keys(unknown.headers)).toEqual(Object.keys(wrong.headers));
    expect(wrong.cookies).toEqual([]);
  });

  it("asks for an address and a password", async () => {
    const email = "a@b.org";
    const bad = [{}, { email }, { password }, { email: null, password }, { email: "\0", password }];
    for (const body of bad)
      expect((await api.postJson("/api/auth/login", body)).statusCode).toBe(400);
  });
});

describe("guessing passwords", () => {
  it("has to wait longer and longer, for one account from one network", async () => {
    const { email } = await registered();
    for (let i = 0; i < 5; i += 1) expect((await guess(email)).statusCode).toBe(401);
    const refused = await guess(email, undefined, password);
    expect(refused.statusCode).toBe(429);
    expect(refused.headers["retry-after"]).toBe("15");
    expect(refused.json()).toMatchObject({ code: "too_many_failures" });

    api.now += 14;
    expect((await guess(email)).headers["retry-after"]).toBe("1");
    api.now += 1;
    expect((await guess(email.toUpperCase())).statusCode).toBe(401);
    expect((await guess(email)).headers["retry-after"]).toBe("30");
    api.now += 30;
    expect((await guess(email, undefined, password)).statusCode).toBe(201);
    expect((await guess(email)).statusCode).toBe(401);
  });

  it("keeps nobody out who logs in from elsewhere, nor lets a guesser go on when they do", async () => {
    const { email } = await registered();
    for (let i = 0; i < 5; i += 1) await guess(email, "192.0.2.20");
    expect((await guess(email, "192.0.2.20")).statusCode).toBe(429);
    expect((await guess(email, "192.0.2.99", password)).statusCode).toBe(201);
    expect((await guess(email, "192.0.2.20")).statusCode).toBe(429);
  });

  it("has to wait for one account from anywhere, a minute at most, when very many have failed", async () => {
    const { email } = await registered();
    const { id } = (await findUserByEmail(api.db, email))!;
    for (let i = 0; i < 110; i += 1)
      await recordLoginFailure(api.db, [{ kind: "account", name: id }], api.now);
    const refused = await guess(email, "192.0.2.98", password);
    expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([429, "60"]);
    api.now += 60;
    expect((await guess(email, "192.0.2.98", password)).statusCode).toBe(201);
  });

  it("has to wait for an account that doesn't exist just the same", async () => {
    for (let i = 0; i < 5; i += 1) await guess("nobody@example.org", "192.0.2.50");
    expect((await guess("NOBODY@example.org", "192.0.2.50")).statusCode).toBe(429);
  });

  it("has to wait at an address, whichever accounts it tries", async () => {
    const { email } = await registered();
    for (let i = 0; i < 20; i += 1)
      expect((await guess(`spray-${i}@example.org`, `2001:db8:0:7::${i}`)).statusCode).toBe(401);
    expect((await guess(email, "2001:db8:0:7:abcd::1", password)).statusCode).toBe(429);
    expect((await guess(email, "2001:db8:0:8::1", password)).statusCode).toBe(201);
  });

  it("gains nothing by guessing many times at once", async () => {
    const { email } = await registered();
    const guesses = Array.from({ length: 40 }, (_, i) => guess(email, `2001:db8:0:9::${i}`));
    const codes = (await Promise.all(guesses)).map(({ statusCode }) => statusCode);
    expect(codes.filter((code) => code === 401)).toHaveLength(5);
    expect(codes.filter((code) => code === 429)).toHaveLength(35);
  });

  it("doesn't stop people who know their password from logging in many times at once", async () => {
    const { email } = await registered();
    const logins = Array.from({ length: 30 }, () => guess(email, "203.0.113.1", password));
    const codes = (await Promise.all(logins)).map(({ statusCode }) => statusCode);
    expect(new Set(codes)).toEqual(new Set([201]));
  });
});

describe("failed logins", () => {
  it("are in the audit log: the 1st, 2nd, 4th … in a row, without what was typed", async () => {
    const { email } = await registered();
    const [latest] = await listDeeds(api.db, { limit: 1 });
    for (let i = 1; i <= 5; i += 1) await guess(email, "192.0.2.7");
    await guess("typed-by@mistake.example", "192.0.2.8");
    const deeds = (await listDeeds(api.db, { limit: 9 })).filter(({ id }) => id > latest!.id);
    const { id } = (await findUserByEmail(api.db, email))!;
    const failed = { action: "fail_to_log_in", actor: "nobody", object_type: "user" };
    expect(deeds.toReversed()).toMatchObject([
      { ...failed, address: "192.0.2.7", object_id: id, details: { failures: 1 } },
      { ...failed, object_id: id, details: { failures: 2 } },
      { ...failed, object_id: id, details: { failures: 4 } },
      { ...failed, address: "192.0.2.8", object_id: "unknown", details: { failures: 1 } },
    ]);
    expect(JSON.stringify(deeds)).not.toContain("mistake");
  });

  it("fill it with no more than a thousand rows an hour", async () => {
    const log = new FailureLog(api.db);
    const visit = { now: api.now, address: "192.0.2.9" };
    const added = await rowsAdded(api.db, async () => {
      for (let i = 0; i < 1010; i += 1) await log.note(undefined, 1, visit);
    });
    expect(added).toEqual({ audit: 1000 });
    const later = { ...visit, now: api.now + 3600 };
    const again = await rowsAdded(api.db, async () => await log.note(undefined, 1, later));
    expect(again).toEqual({ audit: 1 });
  });
});

describe("POST /auth/password", () => {
  const next = "another password, as long";
  it("changes it, and ends every other session with its tokens", async () => {
    const { email, headers, browser } = await registered();
    const other = new Browser(api);
    const { body } = await other.post("/api/auth/login", { email, password });
    const answer = await change(headers, { current_password: password, new_password: next });
    expect(answer.statusCode).toBe(200);

    expect(await whoAmI({ authorization: `Bearer ${body}` })).toBe(401);
    expect((await other.get("/api/auth/refresh")).statusCode).toBe(403);
    expect(await whoAmI(headers)).toBe(200);
    expect((await browser.get("/api/auth/refresh")).statusCode).toBe(201);
    expect((await api.postJson("/api/auth/login", { email, password })).statusCode).toBe(401);
    const again = await api.postJson("/api/auth/login", { email, password: next });
    expect(again.statusCode).toBe(201);
    const actions = (await listDeeds(api.db, { limit: 3 })).map(({ action }) => action);
    expect(actions).toEqual(["log_in", "fail_to_log_in", "change_password"]);
  });

  it("needs the current one, and a good new one", async () => {
    const { email, headers } = await registered();
    const bodies = [
      [403, { current_password: "wrong", new_password: next }],
      [403, { new_password: next }],
      [400, { current_password: password, new_password: "short" }],
      [400, { current_password: password, new_password: "1234567890" }],
      [400, { current_password: password }],
    ] as const;
    for (const [status, body] of bodies)
      expect((await change(headers, body)).statusCode).toBe(status);
    expect((await change({}, { current_password: password, new_password: next })).statusCode).toBe(
      401,
    );
    expect((await api.postJson("/api/auth/login", { email, password })).statusCode).toBe(201);
  });

  it("slows down who guesses the current one", async () => {
    const { headers } = await registered();
    const wrong = { current_password: "wrong", new_password: next };
    for (let i = 0; i < 5; i += 1) expect((await change(headers, wrong)).statusCode).toBe(403);
    expect((await change(headers, wrong)).statusCode).toBe(429);
  });

  it("lets only one of two changes at once through", async () => {
    const { email, headers } = await registered();
    const changes = ["first of two passwords", "second of two passwords"].map((new_password) =>
      change(headers, { current_password: password, new_password }),
    );
    const codes = (await Promise.all(changes)).map(({ statusCode }) => statusCode);
    expect(codes.sort((a, b) => a - b)).toEqual([200, 403]);
    expect((await api.postJson("/api/auth/login", { email, password })).statusCode).toBe(401);
  });
});
