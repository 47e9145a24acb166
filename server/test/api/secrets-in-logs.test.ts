import { Writable } from "node:stream";
import type { FastifyInstance } from "fastify";
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
  const { password } = person;
  const again = (await browser.post("/api/auth/login", { email, password })).body;
  const key = await useKeys(server, `Bearer ${again}`);
  const uploadKey = await useUploadKeys(server, `Bearer ${again}`);
  for (const url of [
    `/api/cell/?token=${token}`,
    `/api/${key}`,
    `/u/${uploadKey}/%zz`,
    `/nope/u/${uploadKey}`,
  ])
    await server.inject({
      url,
      headers: { authorization: `Bearer ${token}x`, cookie: `a=${first}` },
    });
  await server.close();

  expect(lines).toMatch(/"route":"\/u\/:key"/);
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
    key,
    key.slice(20),
    again,
    again.split(".")[2]!,
    uploadKey,
  ];
  for (const secret of secrets) expect(lines).not.toContain(secret);
});

/** Makes an API key, and shows it where it belongs and where it doesn't. */
async function useKeys(server: FastifyInstance, authorization: string): Promise<string> {
  const made = await server.inject({
    method: "POST",
    url: "/api/apikey",
    headers: { authorization },
  });
  const key = made.json<{ api_key: string }>().api_key;
  const headers = { "x-api-key": key };
  for (const url of ["/api/user", "/api/apikey", `/api/cell/?api_key=${key}`])
    await server.inject({ url, headers });
  const payload = { type: key, cellId: 1 };
  await server.inject({ method: "POST", url: "/api/sensor/", headers, payload });
  return key;
}

/** Makes a logger's upload key, and uploads with it what is good and what isn't. */
async function useUploadKeys(server: FastifyInstance, authorization: string): Promise<string> {
  const headers = { authorization };
  const logger = { method: "POST", url: "/api/logger/", payload: { name: "L" }, headers } as const;
  const { logger_id } = (await server.inject(logger)).json<{ logger_id: number }>();
  const url = `/api/logger/${logger_id}/upload-key`;
  const made = await server.inject({ method: "POST", url, headers });
  const key = made.json<{ upload_key: string }>().upload_key;
  for (const path of [
    `/u/${key}`,
    `//u//${key}/`,
    `/u/%${key.charCodeAt(0).toString(16)}${key.slice(1)}`,
  ])
    for (const payload of ["", "\xff"])
      await server.inject({
        method: "POST",
        url: path,
        headers: { "content-type": "application/octet-stream", referer: `http://h/u/${key}` },
        payload,
      });
  return key;
}
