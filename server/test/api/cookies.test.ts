import { describe, expect, it } from "vitest";
import { buildServer } from "../../src/resources/server.ts";
import { createSession } from "../../src/store/sessions.ts";
import { testDeps, useApi } from "../support/api.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

async function refreshAt(
  publicUrl: string,
  headers: Record<string, string> = {},
  url = "refresh",
  corsOrigins: readonly string[] = [],
) {
  const deps = testDeps(api.db, () => api.now);
  const server = buildServer({ ...deps, settings: { ...deps.settings, publicUrl, corsOrigins } });
  const { id } = await newUser(api);
  const { token } = await createSession(api.db, id, api.now);
  const cookies = { "refresh-token": token };
  const answer = await server.inject({ url: `/api/auth/${url}`, cookies, headers });
  await server.close();
  return answer;
}

describe("the refresh token's cookie", () => {
  it("works in a browser on http://localhost", async () => {
    const { cookies } = await refreshAt("http://localhost:8000");
    expect(cookies).toMatchObject([
      { httpOnly: true, sameSite: "Lax", path: "/api/auth", maxAge: 86_400 },
    ]);
    expect(cookies[0]).not.toHaveProperty("secure");
  });

  it("goes over TLS alone where the public URL says https", async () => {
    const { cookies } = await refreshAt("https://ents.example.org");
    expect(cookies).toMatchObject([
      { httpOnly: true, sameSite: "Lax", path: "/api/auth", maxAge: 86_400, secure: true },
    ]);
  });
});

describe("a dashboard that is listed", () => {
  const ours = "https://ents.example.org";
  const dashboard = "https://dashboard.example.com";

  it("on another site gets a cookie that browsers send from there, and may use it", async () => {
    const headers = { origin: dashboard, "sec-fetch-site": "cross-site" };
    const refreshed = await refreshAt(ours, headers, "refresh", [dashboard]);
    expect(refreshed.statusCode).toBe(201);
    expect(refreshed.cookies).toMatchObject([{ sameSite: "None", secure: true, httpOnly: true }]);
    expect((await refreshAt(ours, headers, "logout", [dashboard])).statusCode).toBe(204);
  });

  it("doesn't open the door to the pages of others, nor to what isn't a page's own request", async () => {
    for (const headers of [
      { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      { origin: "http://dashboard.example.com" },
      { "sec-fetch-site": "cross-site", "sec-fetch-dest": "image" },
      { "sec-fetch-site": "cross-site", referer: `${dashboard}/` },
      { referer: "https://evil.example/" },
    ])
      for (const url of ["refresh", "logout"]) {
        const answer = await refreshAt(ours, headers, url, [dashboard]);
        expect(answer.json()).toMatchObject({ status: 403, code: "foreign_origin" });
        expect(answer.cookies).toEqual([]);
      }
  });

  it.each([
    ["http://localhost:8000", "http://localhost:3000"],
    ["http://192.0.2.7:8000", "http://192.0.2.8:3000"],
    ["https://ents.example.org", "https://ents.example.org:8443"],
  ])("keeps the cookie strict at %s, for %s", async (publicUrl, origin) => {
    const headers = { origin, "sec-fetch-site": "same-site" };
    const { cookies, statusCode } = await refreshAt(publicUrl, headers, "refresh", [origin]);
    expect([statusCode, cookies[0]?.sameSite]).toEqual([201, "Lax"]);
  });
});

describe("endpoints that work by cookie", () => {
  const ours = "https://ents.example.org";

  it.each([
    {},
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "none" },
    { "sec-fetch-site": "same-origin", origin: ours },
    { origin: ours },
    { origin: "http://192.0.2.7:8000", host: "192.0.2.7:8000" },
    { referer: `${ours}/cells/1` },
    { "sec-fetch-site": "same-origin", referer: `${ours}/cells/1` },
  ])("answer %j", async (headers) => {
    expect((await refreshAt(ours, headers)).statusCode).toBe(201);
  });

  it.each([
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    { "sec-fetch-site": "cross-site", origin: ours },
    { origin: "https://evil.example" },
    { origin: "https://ents.example.org.evil.example" },
    { origin: "http://ents.example.org" },
    { origin: "https://ents.example.org:8443" },
    { origin: "null" },
    { origin: "http://localhost:3000" },
    { referer: "https://evil.example/ents.example.org" },
  ])("refuse %j", async (headers) => {
    for (const url of ["refresh", "logout", "token?code=x"]) {
      const answer = await refreshAt(ours, headers, url);
      expect(answer.json()).toMatchObject({ status: 403, code: "foreign_origin" });
      expect(answer.cookies).toEqual([]);
    }
  });

  it("don't let a page of another site log somebody in, or make them an account", async () => {
    const origin = "https://evil.example";
    for (const url of ["/api/auth/login", "/api/auth/register"]) {
      const answer = await api.inject({
        method: "POST",
        url,
        headers: { origin, "content-type": "application/x-www-form-urlencoded" },
        payload: "email=m@example.org&password=a+password+of+mine&first_name=M&last_name=",
      });
      expect(answer.statusCode).toBe(403);
      expect(answer.cookies).toEqual([]);
    }
    expect((await api.inject({ url: "/api/oauth/url", headers: { origin } })).statusCode).toBe(403);
  });
});
