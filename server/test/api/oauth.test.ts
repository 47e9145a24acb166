import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IdentityProvider } from "../../src/auth/oidc.ts";
import { hashPassword } from "../../src/auth/passwords.ts";
import { newApiKey } from "../../src/auth/keys.ts";
import { createApiKey, listApiKeys } from "../../src/store/api-keys.ts";
import { findUserByEmail } from "../../src/store/users.ts";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, useApi } from "../support/api.ts";
import { Browser } from "../support/browser.ts";
import { startIssuer, type Claims, type TestIssuer } from "../support/issuer.ts";
import { logIn, newUser } from "../support/users.ts";

let issuer: TestIssuer;
const seal = Buffer.alloc(32, "seal");
const api = useApi(undefined, async () => {
  issuer = await startIssuer();
  return { provider: new IdentityProvider(issuer.settings, seal) };
});
beforeAll(() => {
  // The issuer's clock is the machine's.
  api.now = Date.now() / 1000;
});
afterAll(async () => await issuer.close());

const password = "a password of some length";

/** A whole login in a browser; answers what `/auth/token` does. */
async function logInThroughIssuer(
  browser: Browser,
  subject: string,
  claims: Claims,
  on: TestIssuer = issuer,
) {
  const { url } = (await browser.get("/api/oauth/url")).json<{ url: string }>();
  const query = await on.logIn(url, subject, claims);
  return await browser.get(`/api/auth/token?${query.toString()}`);
}

const ada = { email: "ada@example.org", email_verified: true, given_name: "Ada", family_name: "L" };

describe("logging in through an identity provider", () => {
  it("makes an account the first time, and finds it again the next", async () => {
    const browser = new Browser(api);
    const first = await logInThroughIssuer(browser, "ada", ada);
    expect(first.statusCode).toBe(201);
    expect(first.headers["content-type"]).toMatch("text/plain");
    const headers = { authorization: `Bearer ${first.body}` };
    const user = await api.inject({ url: "/api/user", headers });
    expect(user.json()).toEqual({ email: "ada@example.org", first_name: "Ada", last_name: "L" });
    expect((await browser.get("/api/auth/refresh")).statusCode).toBe(201);

    const second = await logInThroughIssuer(new Browser(api), "ada", {
      ...ada,
      email: "a@new.org",
    });
    expect(second.statusCode).toBe(201);
    const again = await api.inject({
      url: "/api/user",
      headers: { authorization: `Bearer ${second.body}` },
    });
    expect(again.json()).toMatchObject({ email: "ada@example.org" });
    expect(await findUserByEmail(api.db, "a@new.org")).toBeUndefined();
  });

  it("asks for a code with PKCE, state and nonce, and keeps what they need in a short cookie", async () => {
    const answer = await api.get("/api/oauth/url");
    const url = new URL(answer.json<{ url: string }>().url);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "ents",
      redirect_uri: "http://localhost:8000/auth/callback",
      code_challenge_method: "S256",
    });
    const { state, nonce, code_challenge } = Object.fromEntries(url.searchParams);
    for (const random of [state, nonce, code_challenge]) expect(random).toMatch(/^[\w-]{40,}$/);
    expect(answer.cookies).toMatchObject([
      { name: "login-attempt", httpOnly: true, sameSite: "Lax", maxAge: 600, path: "/api/auth" },
    ]);
    expect(answer.body + JSON.stringify(answer.cookies)).not.toMatch(/code_verifier/);
  });

  it("takes the code alone from the browser that began, as older dashboards send it", async () => {
    const browser = new Browser(api);
    const { url } = (await browser.get("/api/oauth/url")).json<{ url: string }>();
    const query = await issuer.logIn(url, "ada", ada);
    const answer = await browser.get(`/api/auth/token?code=${query.get("code")}`);
    expect(answer.statusCode).toBe(201);
  });

  it("refuses a login without a code", async () => {
    const answer = await api.get("/api/auth/token");
    expect(answer.statusCode).toBe(400);
    const msg = "Authorization code must be provided";
    expect(answer.json()).toMatchObject({ msg, message: msg, status: 400 });
    expect((await api.get("/api/auth/token?code=")).statusCode).toBe(400);
  });

  it("refuses a code in a browser that began no login, or another one", async () => {
    const victim = new Browser(api);
    const attacker = new Browser(api);
    await victim.get("/api/oauth/url");
    const { url } = (await attacker.get("/api/oauth/url")).json<{ url: string }>();
    const query = await issuer.logIn(url, "mallory", { email: "m@example.org" });
    for (const code of [query.toString(), `code=${query.get("code")}`]) {
      const injected = await victim.get(`/api/auth/token?${code}`);
      expect(injected.statusCode).toBe(400);
      expect(injected.cookies.map(({ name }) => name)).not.toContain("refresh-token");
    }
    const nowhere = await api.get(`/api/auth/token?${query.toString()}`);
    expect(nowhere.json()).toMatchObject({ status: 400, code: "login_forgotten" });
  });

  it("refuses a wrong state, a wrong issuer, a made-up code, a code that was used, and a late one", async () => {
    const browser = new Browser(api);
    const { url } = (await browser.get("/api/oauth/url")).json<{ url: string }>();
    const query = Object.fromEntries(await issuer.logIn(url, "ada", ada));
    const kept = new Map(browser.cookies);
    const attempt = async (changes: object) => {
      for (const [name, value] of kept) browser.cookies.set(name, value);
      const parameters = new URLSearchParams({ ...query, ...changes });
      return (await browser.get(`/api/auth/token?${parameters.toString()}`)).statusCode;
    };
    expect(await attempt({ state: "guessed" })).toBe(400);
    expect(await attempt({ iss: "https://evil.example" })).toBe(400);
    expect(await attempt({ code: "made-up" })).toBe(400);
    api.now += 601;
    expect(await attempt({})).toBe(400);
    api.now -= 601;
    expect(await attempt({})).toBe(201);
    expect(await attempt({})).toBe(400);
  });

  it("refuses somebody whose name at the issuer can't be kept", async () => {
    const answer = await logInThroughIssuer(new Browser(api), "a\0b", ada);
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: "login_failed" }]);
  });

  it("answers 404 where no identity provider is set up, and 503 where it is away", async () => {
    const deps = testDeps(api.db, () => api.now);
    const without = buildServer(deps);
    const answer = await without.inject("/api/oauth/url");
    expect(answer.json()).toMatchObject({ status: 404, code: "no_identity_provider" });
    await without.close();

    const settings = { ...issuer.settings, issuer: "http://127.0.0.1:9" };
    const away = buildServer({ ...deps, provider: new IdentityProvider(settings, seal) });
    expect((await away.inject("/api/oauth/url")).statusCode).toBe(503);
    await away.close();
  });

  it("knows Google without asking", async () => {
    const settings = { ...issuer.settings, issuer: "https://accounts.google.com" };
    const provider = new IdentityProvider(settings, seal);
    const google = buildServer({ ...testDeps(api.db, () => api.now), provider });
    const { url } = (await google.inject("/api/oauth/url")).json<{ url: string }>();
    expect(url).toMatch(/^https:\/\/accounts\.google\.com\/o\/oauth2\/v2\/auth\?/);
    await google.close();
  });

  it.each([
    { authMethod: "client_secret_post", claimsInToken: true },
    { authMethod: "client_secret_basic", claimsInToken: true },
    { authMethod: "client_secret_post", claimsInToken: false },
  ] as const)(
    "works with an issuer that wants $authMethod, claims in the token: $claimsInToken",
    async (kind) => {
      const other = await startIssuer(kind);
      const provider = new IdentityProvider(other.settings, seal);
      const server = buildServer({ ...testDeps(api.db, () => api.now), provider });
      const browser = new Browser({ inject: async (options) => await server.inject(options) });
      const email = `${kind.authMethod}-${kind.claimsInToken}@example.org`;
      const answer = await logInThroughIssuer(browser, "someone", { ...ada, email }, other);
      expect(answer.statusCode).toBe(201);
      expect(await findUserByEmail(api.db, email)).toMatchObject({ first_name: "Ada" });
      await server.close();
      await other.close();
    },
  );

  it("makes no accounts where registration is closed, and lets those in who have one", async () => {
    const deps = testDeps(api.db, () => api.now);
    const settings = { ...deps.settings, registrationOpen: false };
    const provider = new IdentityProvider(issuer.settings, seal);
    const server = buildServer({ ...deps, provider, settings });
    const browser = new Browser({ inject: async (options) => await server.inject(options) });
    const stranger = { ...ada, email: "stranger@example.org" };
    const refused = await logInThroughIssuer(browser, "stranger", stranger);
    expect(refused.json()).toMatchObject({ status: 403, code: "registration_closed" });
    expect(await findUserByEmail(api.db, "stranger@example.org")).toBeUndefined();
    expect((await logInThroughIssuer(browser, "ada", ada)).statusCode).toBe(201);
    await server.close();
  });
});

describe("joining an account by its e-mail address", () => {
  it("is refused while the issuer has not verified it", async () => {
    const { email } = await newUser(api);
    const answer = await logInThroughIssuer(new Browser(api), "eve", { email });
    expect(answer.json()).toMatchObject({ status: 403, code: "email_not_verified" });
    expect(answer.cookies.map(({ name }) => name)).not.toContain("refresh-token");
    const sneaky = { email: email.toUpperCase(), email_verified: false };
    const shouted = await logInThroughIssuer(new Browser(api), "eve", sneaky);
    expect(shouted.statusCode).toBe(403);
  });

  it("takes an account that nobody proved out of the hands of who made it", async () => {
    const squatter = await newUser(api, { passwordHash: await hashPassword(password) });
    const { id: userId, email } = squatter;
    const key = newApiKey();
    const { now } = api;
    const apiKey = { userId, name: "k", key, shownLength: 12, scopes: ["read"], now };
    await createApiKey(api.db, apiKey);
    const owner = { email: email.toUpperCase(), email_verified: true };
    const joined = await logInThroughIssuer(new Browser(api), "owner", owner);
    expect(joined.statusCode).toBe(201);

    expect(await api.inject({ url: "/api/user", headers: squatter.headers })).toMatchObject({
      statusCode: 401,
    });
    const byKey = await api.inject({ url: "/api/user", headers: { "x-api-key": key } });
    expect(byKey.statusCode).toBe(401);
    const byPassword = await api.postJson("/api/auth/login", { email, password });
    expect(byPassword.statusCode).toBe(401);
    const headers = { authorization: `Bearer ${joined.body}` };
    expect((await api.inject({ url: "/api/user", headers })).json()).toMatchObject({ email });
  });

  it("forgets other identities of such an account", async () => {
    const email = "contested@example.org";
    const squat = await logInThroughIssuer(new Browser(api), "squatter", { email });
    expect(squat.statusCode).toBe(201);
    const owner = { email, email_verified: true };
    expect((await logInThroughIssuer(new Browser(api), "true-owner", owner)).statusCode).toBe(201);
    const again = await logInThroughIssuer(new Browser(api), "squatter", { email });
    expect(again.statusCode).toBe(403);
  });

  it("leaves an account that was proved before as it is", async () => {
    const email = "proved@example.org";
    const first = await logInThroughIssuer(new Browser(api), "p1", { email, email_verified: true });
    const { id: userId } = (await findUserByEmail(api.db, email))!;
    const headers = { authorization: `Bearer ${first.body}` };
    const body = { new_password: password };
    const set = { method: "POST", url: "/api/auth/password", headers, payload: body } as const;
    expect((await api.inject(set)).statusCode).toBe(200);
    const other = await logIn(api, userId);
    const second = await logInThroughIssuer(new Browser(api), "p2", {
      email,
      email_verified: true,
    });
    expect(second.statusCode).toBe(201);
    expect((await api.inject({ url: "/api/user", headers: other })).statusCode).toBe(200);
    expect((await api.postJson("/api/auth/login", { email, password })).statusCode).toBe(201);
    expect(await listApiKeys(api.db, userId)).toEqual([]);
  });

  it("is refused to an identity without an e-mail address", async () => {
    const answer = await logInThroughIssuer(new Browser(api), "nameless", {});
    expect(answer.json()).toMatchObject({ status: 400, code: "email_missing" });
  });
});
