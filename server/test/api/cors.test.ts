import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { newUser } from "../support/users.ts";

const publicUrl = "https://ents.example.org";
const dashboard = "https://dashboard.example.com";
const stranger = "https://notebook.example.net";
const api = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, publicUrl, corsOrigins: [dashboard] },
}));

let cell = 0;
beforeAll(async () => {
  cell = await newCell(api);
});

/** What an answer says of who may see it, and what may be asked. */
async function corsOf(
  method: "GET" | "HEAD" | "POST" | "OPTIONS",
  url: string,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  const answer = await api.inject({ method, url, headers });
  const about = Object.entries(answer.headers).filter(([name]) => name.startsWith("access-"));
  return { status: answer.statusCode, vary: answer.headers.vary, ...Object.fromEntries(about) };
}

const exposed = {
  "access-control-expose-headers": expect.stringContaining("ETag") as string,
};
const ours = (origin: string) => ({
  vary: "Origin",
  "access-control-allow-origin": origin,
  "access-control-allow-credentials": "true",
  ...exposed,
});

describe.each([publicUrl, dashboard])("a page of %s", (origin) => {
  it("sees answers, with its user's cookies and tokens", async () => {
    const { headers } = await newUser(api);
    expect(await corsOf("GET", "/api/user", { ...headers, origin })).toEqual({
      status: 200,
      ...ours(origin),
    });
    expect(await corsOf("GET", "/api/user", { origin })).toEqual({ status: 401, ...ours(origin) });
    expect(await corsOf("GET", "/api/nope", { origin })).toEqual({ status: 404, ...ours(origin) });
  });

  it.each(["/api/user", "/api/auth/refresh", "/api/cell/1", "/api/sensor/", "/u/key"])(
    "may ask before what it may send to %s",
    async (url) => {
      const asked = { origin, "access-control-request-method": "PUT" };
      expect(await corsOf("OPTIONS", url, asked)).toEqual({
        status: 204,
        ...ours(origin),
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": expect.stringContaining("Authorization") as string,
        "access-control-max-age": "3600",
      });
    },
  );

  it("uploads, and sees what became of it", async () => {
    const headers = { origin, "content-type": "application/json" };
    expect(await corsOf("POST", "/api/sensor/", headers)).toEqual({ status: 400, ...ours(origin) });
  });
});

describe.each([stranger, "null", "https://ents.example.org.evil.example", "https://ents.example"])(
  "a page of %s, which is not listed",
  (origin) => {
    it("reads what is public", async () => {
      for (const method of ["GET", "HEAD"] as const)
        expect(await corsOf(method, `/api/power/${cell}`, { origin })).toEqual({
          status: 200,
          vary: "Origin",
          "access-control-allow-origin": "*",
          ...exposed,
        });
    });

    it("may ask for that before, without a token", async () => {
      const asked = { origin, "access-control-request-method": "GET" };
      const answer = await corsOf("OPTIONS", `/api/power/${cell}`, asked);
      expect(answer).toMatchObject({
        status: 204,
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD",
      });
      expect(answer["access-control-allow-headers"]).not.toMatch(/authorization|api-key|content/i);
      expect(answer).not.toHaveProperty("access-control-allow-credentials");
    });

    it("sees nothing of what is answered to somebody", async () => {
      const user = await newUser(api);
      const shown = [user.headers, { "x-api-key": "ents_x" }, { cookie: "refresh-token=x" }];
      for (const headers of shown) {
        const answer = await corsOf("GET", "/api/cell/", { ...headers, origin });
        expect(Object.keys(answer)).toEqual(["status", "vary"]);
      }
    });

    it.each(["POST", "PUT", "DELETE"])("may not send a %s", async (method) => {
      const asked = { origin, "access-control-request-method": method };
      const answer = await corsOf("OPTIONS", "/api/cell/1", asked);
      expect(answer).toEqual({ status: 204, vary: "Origin" });
    });

    it("gets nobody's session", async () => {
      const answer = await api.inject({ url: "/api/auth/refresh", headers: { origin } });
      expect(answer.json()).toMatchObject({ status: 403, code: "foreign_origin" });
    });
  },
);

describe("OPTIONS", () => {
  it("says what methods a path has, to who is no browser", async () => {
    const answer = await api.inject({ method: "OPTIONS", url: "/api/cell/1" });
    expect([answer.statusCode, answer.body]).toEqual([204, ""]);
    expect(String(answer.headers.allow).split(", ").sort()).toEqual(
      ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"].sort(),
    );
  });

  it("is answered 404 where there is nothing", async () => {
    const asked = { origin: dashboard, "access-control-request-method": "GET" };
    expect(await corsOf("OPTIONS", "/api/nope", asked)).toMatchObject({ status: 404 });
  });
});

it("answers who names no origin as before", async () => {
  expect(await corsOf("GET", `/api/power/${cell}`, {})).toEqual({ status: 200, vary: undefined });
});
