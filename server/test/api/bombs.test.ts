import type { AddressInfo } from "node:net";
import type { InjectOptions } from "fastify";
import { beforeAll, describe, expect, it } from "vitest";
import { as } from "../support/as.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { RawConnection } from "../support/raw-http.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
const most_bytes = 256 * 1024;
/** However busy the machine is: what grows with the square of its size takes minutes. */
const soon_ms = 5000;

let user: TestUser;
let cell = 0;
beforeAll(async () => {
  user = await newUser(api);
  cell = await newCell(api);
  await api.app.listen({ port: 0, host: "127.0.0.1" });
});

const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const nested = (depth: number): string => '{"a":'.repeat(depth) + "1" + "}".repeat(depth);

/** Bodies of JSON that are small to send and dear to read, or mean to be something else than they seem. */
const bombs: readonly [what: string, body: string][] = [
  ["lists in lists", deep(most_bytes / 2)],
  ["objects in objects", nested(40_000)],
  ["a name of lists in lists", `{"name":${deep(100_000)}}`],
  ["what isn't asked for, deep", `{"name":"deep","x":${nested(30_000)}}`],
  ["a list of many", `{"name":"many","tag_ids":[${Array(100_000).fill(1).join()}]}`],
  ["very many keys", `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join()}}`],
  ["one key again and again", `{${Array(20_000).fill('"name":"x"').join()},"name":"again"}`],
  ["a prototype", '{"name":"x","__proto__":{"admin":true}}'],
  ["a constructor", '{"name":"x","constructor":{"prototype":{"admin":true}}}'],
  ["a number of many digits", `{"name":"n","latitude":${"9".repeat(200_000)}}`],
];

async function takes(request: InjectOptions): Promise<{ status: number; took_ms: number }> {
  const begun = performance.now();
  const { statusCode: status } = await api.inject(request);
  return { status, took_ms: performance.now() - begun };
}

describe("JSON that is a bomb", () => {
  it.each(bombs)("%s: is refused where people send it, or taken as what it is", async (_, body) => {
    for (const url of ["/api/cell/", "/api/tag/", "/api/auth/login", "/api/equations/validate"]) {
      const headers = { ...user.headers, "content-type": "application/json" };
      const { status, took_ms } = await takes({ method: "POST", url, headers, payload: body });
      expect([200, 201, 400, 401]).toContain(status);
      expect(took_ms).toBeLessThan(soon_ms);
    }
    expect(Object.prototype).not.toHaveProperty("admin");
  });

  it.each(bombs)("%s: is refused where devices send it, and kept", async (_, payload) => {
    const headers = { "content-type": "application/json" };
    for (const url of ["/api/sensor/", "/api/sensor_json/", "/api/power/"]) {
      const added = await rowsAdded(api.db, async () => {
        const { status, took_ms } = await takes({ method: "POST", url, headers, payload });
        expect(status).toBe(400);
        expect(took_ms).toBeLessThan(soon_ms);
      });
      expect(added).toEqual({ quarantine: 1 });
    }
  });

  it("can be looked at in quarantine", async () => {
    const admin = as(api, await newUser(api, { admin: true }));
    const headers = { "content-type": "application/json" };
    const payload = nested(40_000);
    await api.inject({ method: "POST", url: "/api/sensor/", headers, payload });
    const list = await admin.get("/api/quarantine?limit=1");
    expect(list.statusCode).toBe(200);
    const { id } = list.json<{ uploads: { id: number }[] }>().uploads[0]!;
    expect((await admin.get(`/api/quarantine/${id}`)).statusCode).toBe(200);
  });
});

describe("a form that is a bomb", () => {
  it.each([
    ["very many fields", Array.from({ length: 30_000 }, (_, n) => `f${n}=`).join("&")],
    ["nothing but separators", "&".repeat(most_bytes - 1)],
    ["one field again and again", "email=a&".repeat(30_000)],
    ["a prototype", "__proto__=x&__proto__[admin]=1&email=a"],
    ["what can't be unescaped", "%".repeat(most_bytes - 1)],
  ])("%s: is refused soon", async (_, payload) => {
    const headers = { ...user.headers, "content-type": "application/x-www-form-urlencoded" };
    for (const url of ["/api/auth/login", "/api/cell/", "/api/power/"]) {
      const { status, took_ms } = await takes({ method: "POST", url, headers, payload });
      expect(status).toBe(400);
      expect(took_ms).toBeLessThan(soon_ms);
    }
    expect(Object.prototype).not.toHaveProperty("admin");
  });
});

describe("a request line or headers", () => {
  it.each([
    ["a URL", `GET /api/cell/?name=${"x".repeat(20_000)} HTTP/1.1\r\n`],
    ["one header", `GET /api/ HTTP/1.1\r\nX-Long: ${"x".repeat(20_000)}\r\n`],
    ["many headers", `GET /api/ HTTP/1.1\r\n${"X-Many: 1\r\n".repeat(3000)}`],
  ])("that are too long are refused: %s", async (_, head) => {
    expect(await send(head)).toBe(431);
    expect(await send("GET /api/ HTTP/1.1\r\n")).toBe(200);
  });

  it("that are just not too long are read: very many parameters, many headers", async () => {
    const parameters = Array.from({ length: 2000 }, (_, n) => `p${n}=`).join("&");
    expect(await send(`GET /api/cell/${cell}?${parameters} HTTP/1.1\r\n`)).toBe(200);
    const prototype = "__proto__=1&__proto__[x]=1&constructor=1";
    expect(await send(`GET /api/cell/?${prototype} HTTP/1.1\r\n`)).toBe(200);
    expect(await send(`GET /api/cell/ HTTP/1.1\r\n${"A: 1\r\n".repeat(300)}`)).toBe(200);
  });

  it.each([
    `/api/cell/?tags=${"1,".repeat(700)}1`,
    `/api/readings?cells=${Array.from({ length: 101 }, (_, n) => n + 1).join()}`,
    `/api/readings?cells=1&sensors=${Array.from({ length: 101 }, (_, n) => `a.b${n}`).join()}`,
    `/api/data-availability?cell_ids=${"1,".repeat(5000)}1`,
  ])("with a list that is too long get 400: %s", async (url) => {
    expect((await api.get(url)).statusCode).toBe(400);
  });
});

/** What comes of a request as it stands on the wire. */
async function send(head: string): Promise<number> {
  const connection = new RawConnection((api.app.server.address() as AddressInfo).port);
  connection.send(`${head}Host: a\r\nConnection: close\r\n\r\n`);
  const { status } = await connection.answer("GET");
  await connection.closed;
  return status;
}
