import type { InjectOptions } from "fastify";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();

describe("every path", () => {
  it.each([
    "/api",
    "/api/cell/id",
    "/api/cell",
    "/api/cell/1/sensors",
    "/api/power/1",
    "/api/teros/1",
    "/api/sensor?name=a&cellId=1&measurement=b",
    "/api/sensor_json?name=a&cellId=1&measurement=b",
    "/api/data-availability?cell_ids=1",
    "/api/catalog/sensors?cell_id=1",
  ])("answers %s with and without its slash, and with two", async (url) => {
    const plain = await api.get(url);
    expect(plain.statusCode).toBe(200);
    const [path, query = ""] = url.split("?");
    const variants = [
      `${path}/?${query}`,
      `/${path}?${query}`,
      `${path!.replace("/api", "/api/")}?${query}`,
    ];
    for (const variant of variants) {
      const answer = await api.get(variant);
      expect([variant, answer.statusCode, answer.body]).toEqual([variant, 200, plain.body]);
    }
  });

  it("answers GET /api/ with a word, so that nodes go on", async () => {
    const answer = await api.get("/api/");
    expect(answer.json()).toEqual({ hello: expect.any(String) });
  });
});

describe("GET /", () => {
  it("leads to the documents, which say so where there is no JavaScript", async () => {
    const answer = await api.get("/");
    expect([answer.statusCode, answer.headers.location]).toEqual([302, "/api/docs"]);
    expect((await api.get("/api/docs")).body).toMatch(/<noscript>.*openapi\.json/);
  });
});

describe("a path or a method that there is not", () => {
  it.each([
    ["GET", "/api/nope", 404, "no_such_path"],
    ["GET", "/nope", 404, "no_such_path"],
    ["POST", "/api/cell/1/nope", 404, "no_such_path"],
    ["DELETE", "/api/sensor/", 405, "method_not_allowed"],
    ["PUT", "/api/power", 405, "method_not_allowed"],
    ["POST", "/api/power/1", 405, "method_not_allowed"],
    ["GET", "/api/equations/validate", 405, "method_not_allowed"],
    ["POST", "/api/", 405, "method_not_allowed"],
    ["TRACE", "/api/cell/", 405, "method_not_allowed"],
    ["QUERY", "/api/power/1", 405, "method_not_allowed"],
  ] as const)("answers %s %s with %d", async (method, url, status, code) => {
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.inject({ method, url });
      expect(answer.statusCode).toBe(status);
      expectProblem(answer, { status, code });
    });
    expect(added).toEqual({});
  });

  it("says which methods there are", async () => {
    const answer = await api.inject({ method: "DELETE", url: "/api/sensor/" });
    expect(String(answer.headers.allow).split(", ").sort()).toEqual([
      "GET",
      "HEAD",
      "OPTIONS",
      "POST",
    ]);
  });
});

describe("an error", () => {
  it.each([
    [{ method: "GET", url: "/api/cell/999999" }, 404],
    [{ method: "GET", url: "/api/power/x" }, 400],
    [{ method: "GET", url: "/api/power/1?startTime=x" }, 400],
    [{ method: "GET", url: "/api/sensor/" }, 400],
    [{ method: "GET", url: "/api/catalog/sensors" }, 400],
    [{ method: "GET", url: "/api/cell?user=true" }, 401],
    [{ method: "POST", url: "/api/sensor_json/", payload: {} }, 400],
    [{ method: "POST", url: "/api/equations/validate", payload: {} }, 400],
    [
      {
        method: "POST",
        url: "/api/equations/validate",
        payload: "{",
        headers: { "content-type": "application/json" },
      },
      400,
    ],
    [{ method: "GET", url: "/api/power/%zz" }, 400],
  ] satisfies [InjectOptions, number][])(
    "is a problem of RFC 9457: %o",
    async (request, status) => {
      const answer = await api.inject(request);
      expect(answer.statusCode).toBe(status);
      expectProblem(answer, { status });
    },
  );
});

function expectProblem(
  { headers, body }: { headers: Record<string, unknown>; body: string },
  members: { status: number; code?: string },
): void {
  expect(headers["content-type"]).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(body) as { message: string; detail: string };
  expect(problem).toMatchObject({
    type: "about:blank",
    title: expect.any(String),
    code: expect.any(String),
    message: expect.stringMatching(/./),
    ...members,
  });
  expect(problem.detail).toBe(problem.message);
}
