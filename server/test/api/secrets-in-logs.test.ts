import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, it } from "vitest";
import { buildServer } from "../../src/resources/server.ts";
import { IdentityProvider } from "../../src/auth/oidc.ts";
import { testDeps, useApi } from "../support/api.ts";
import { Browser } from "../support/browser.ts";

const api = useApi();

it("writes no password, token, cookie, code or address of a login into the log", async () => {
  let lines = "";
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines += String(chunk);
      done();
    },
  });
  const logger = pino({ level: "trace" }, stream);
  const settings = {
    issuer: "http://127.0.0.1:9",
    clientId: "id",
    clientSecret: "the-client-secret",
    redirectUri: "http://localhost:8000/auth/callback",
  };
  const provider = new IdentityProvider(settings, Buffer.alloc(32, "seal"));
  const server = buildServer({ ...testDeps(api.db, () => api.now), logger, log: logger, provider });
  const browser = new Browser({ inject: async (options) => await server.inject(options) });
  const email = "logged@example.org";
  const person = { email, password: "a secret password", first_name: "A", last_name: "B" };
  const token = (await browser.post("/api/auth/register", person)).body;
  const authorization = `Bearer ${token}`;
  const first = browser.cookies.get("refresh-token")!;
  await browser.get("/api/auth/refresh");
  api.now += 60;
  browser.cookies.set("refresh-token", first);
  await browser.get("/api/auth/refresh", { authorization });
  await browser.post("/api/auth/login", { email, password: "a mistyped password" });
  await browser.get("/api/oauth/url");
  browser.cookies.set("login-attempt", "a-sealed-attempt");
  await browser.get("/api/auth/token?code=the-code");
  await server.inject({ url: "/api/user", headers: { authorization } });
  await server.close();

  expect(lines).toMatch(/a login failed/);
  expect(lines).toMatch(/a used or revoked refresh token came again/);
  expect(lines).toMatch(/identity provider can't be reached/);
  const secrets = [
    "a secret password",
    "a mistyped password",
    token,
    token.split(".")[2]!,
    first,
    email,
    "the-code",
    "a-sealed-attempt",
    "the-client-secret",
  ];
  for (const secret of secrets) expect(lines).not.toContain(secret);
});
