import type { InjectOptions } from "fastify";
import { describe, expect, it } from "vitest";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const secure = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, publicUrl: "https://ents.example.org" },
}));

const usual = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
const protobuf = { "content-type": "application/octet-stream" };

describe("an answer to a browser", () => {
  it.each([
    { url: "/api/cell/" },
    { url: "/api/openapi.json" },
    { url: "/api/user" },
    { url: "/api/auth/refresh" },
    { url: "/api/cell/999" },
    { url: "/api/nope" },
    { url: "/nope" },
    { url: "/api/power/%zz" },
    { url: "/metrics" },
    { method: "DELETE", url: "/api/cell/" },
    { method: "POST", url: "/api/equations/validate", payload: {} },
    { method: "OPTIONS", url: "/api/cell/" },
  ] satisfies InjectOptions[])("says what may be done with it: %j", async (request) => {
    const { headers } = await api.inject(request);
    expect(headers).toMatchObject(usual);
    expect(headers).not.toHaveProperty("strict-transport-security");
  });

  it("keeps browsers on TLS where the public URL is", async () => {
    const { headers } = await secure.get("/api/cell/");
    expect(headers).toMatchObject({ ...usual, "strict-transport-security": "max-age=31536000" });
  });

  it("is kept by nobody where a key or a token is in it", async () => {
    const { headers } = await newUser(api);
    const made = await api.inject({ method: "POST", url: "/api/apikey", headers });
    expect([made.statusCode, made.headers["cache-control"]]).toEqual([201, "no-store"]);
  });

  it("may be kept, and asked about again, where its route says so", async () => {
    const cell = await newCell(api);
    const { headers } = await api.get(`/api/readings?cells=${cell}`);
    expect(headers).toMatchObject({
      "cache-control": "private, no-cache",
      vary: expect.stringContaining("Origin") as string,
      "x-content-type-options": "nosniff",
    });
  });

  it("has another policy where a route answers a page", async () => {
    const app = buildServer(testDeps(api.db, () => api.now));
    const csp = "default-src 'self'";
    app.register(async (scope) => {
      scope.get("/page", { config: { csp } }, async () => "<!doctype html>");
    });
    const { headers } = await app.inject("/page");
    expect(headers).toMatchObject({ ...usual, "content-security-policy": csp });
    await app.close();
  });
});

describe("an answer to a node", () => {
  it.each([
    { method: "POST", url: "/api/sensor/", headers: protobuf, payload: "x" },
    { method: "POST", url: "/api/sensor/", payload: { type: "power" } },
    { method: "POST", url: "/u/aaaaaaaaaaaaaaaaaaaaaa", headers: protobuf, payload: "x" },
    { method: "POST", url: "/api/nope", headers: protobuf, payload: "x" },
    { method: "POST", url: "/api/%zz", headers: protobuf, payload: "x" },
    { method: "GET", url: "/api/cell/", headers: protobuf },
    { method: "GET", url: "/api/" },
    { method: "GET", url: "/readyz" },
  ] satisfies InjectOptions[])("has none of these headers: %j", async (request) => {
    for (const one of [api, secure])
      expect(Object.keys((await one.inject(request)).headers).sort()).toEqual(
        ["connection", "content-length", "content-type", "date"].sort(),
      );
  });
});
