import type { InjectOptions } from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openRedis } from "../../src/lib/redis.ts";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, useApi, type TestApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog } from "../support/log.ts";
import { hasRedis, TestRedis } from "../support/redis.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";

const perMinute = 60;
const limited = (): TestApi =>
  useApi(undefined, ({ settings }) => ({
    settings: { ...settings, requestsPerMinute: perMinute, trustProxy: "127.0.0.1" },
  }));
const api = limited();

const via = (address: string): InjectOptions => ({ headers: { "x-forwarded-for": address } });

/** Each test asks from addresses of its own. */
let network = 0;
function newAddress(): string {
  network += 1;
  return `2001:db8:0:${network.toString(16)}::1`;
}

/** The statuses of some requests, each after the other. */
async function ask(count: number, options: InjectOptions): Promise<Record<number, number>> {
  const seen: Record<number, number> = {};
  for (let i = 0; i < count; i += 1) {
    const { statusCode } = await api.inject({ url: "/api/cell/", ...options });
    seen[statusCode] = (seen[statusCode] ?? 0) + 1;
  }
  return seen;
}

describe("requests of an address", () => {
  it("are counted, and said how many are left", async () => {
    const remoteAddress = newAddress();
    const askOnce = async () => (await api.inject({ url: "/api/cell/", remoteAddress })).headers;
    expect(await askOnce()).toMatchObject({
      "ratelimit-policy": `"address";q=${perMinute};w=60`,
      ratelimit: `"address";r=${perMinute - 1};t=60`,
    });
    expect((await askOnce())["ratelimit"]).toMatch(/^"address";r=58;t=(60|59)$/);
  });

  it("are refused when they are too many, with when to come back", async () => {
    const remoteAddress = newAddress();
    expect(await ask(perMinute + 5, { remoteAddress })).toEqual({ 200: perMinute, 429: 5 });
    const { headers, body } = await api.inject({ url: "/api/cell/", remoteAddress });
    expect(headers["ratelimit"]).toMatch(/^"address";r=0;t=\d+$/);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(JSON.parse(body)).toMatchObject({ status: 429, code: "rate_limited" });
  });

  it("are those of its whole network, where it is an IPv6 address", async () => {
    const remoteAddress = newAddress();
    expect(await ask(perMinute, { remoteAddress })).toEqual({ 200: perMinute });
    const neighbour = remoteAddress.replace("::1", ":ffff:1:2:3");
    expect(await ask(1, { remoteAddress: neighbour })).toEqual({ 429: 1 });
    expect(await ask(1, { remoteAddress: newAddress() })).toEqual({ 200: 1 });
  });

  it("are those of who is behind a proxy that is believed, and not the proxy's", async () => {
    const [one, other] = [newAddress(), newAddress()];
    expect(await ask(perMinute + 1, via(one))).toEqual({ 200: perMinute, 429: 1 });
    expect(await ask(1, via(other))).toEqual({ 200: 1 });
    const claim = { remoteAddress: newAddress(), ...via(other) };
    expect(await ask(perMinute + 1, claim)).toEqual({ 200: perMinute, 429: 1 });
  });
});

describe("who has an account", () => {
  it("may ask more, from wherever, and is counted by user and by key", async () => {
    const { headers } = await newUser(api);
    const made = await api.inject({ method: "POST", url: "/api/apikey", headers });
    const key = { "x-api-key": made.json<{ api_key: string }>().api_key };
    const remoteAddress = newAddress();
    await ask(perMinute + 1, { remoteAddress });
    const most = 5 * perMinute;
    expect(await ask(most - 1, { headers, remoteAddress })).toEqual({ 200: most - 1 });
    expect(await ask(1, { headers, remoteAddress: newAddress() })).toEqual({ 429: 1 });
    const { headers: said } = await api.inject({ url: "/api/cell/", headers: key, remoteAddress });
    expect(said["ratelimit"]).toBe(`"account";r=${most - 1};t=60`);
  });

  it("is nobody where a key is only guessed", async () => {
    const remoteAddress = newAddress();
    const headers = { "x-api-key": "guessed" };
    const url = "/api/user";
    const seen = await ask(perMinute + 3, { url, headers, remoteAddress });
    expect(seen).toEqual({ 401: perMinute, 429: 3 });
  });
});

describe("where passwords are tried", () => {
  it.each(["/api/auth/login", "/api/auth/register"])("%s is for few", async (url) => {
    const remoteAddress = newAddress();
    const payload = { email: "x", password: "y" };
    const seen = await ask(3, { method: "POST", url, payload, remoteAddress });
    expect(seen).toEqual({ 400: 1, 429: 2 });
    expect(await ask(1, { remoteAddress })).toEqual({ 200: 1 });
  });
});

describe("what is never limited", () => {
  const protobuf = { "content-type": "application/octet-stream" };

  it.each([
    { method: "POST", url: "/api/sensor/", headers: protobuf, payload: "x" },
    { method: "POST", url: "/u/aaaaaaaaaaaaaaaaaaaaaa", headers: protobuf, payload: "x" },
    { method: "POST", url: "/api/power/", payload: { cell: "none" } },
    { url: "/api/" },
    { url: "/readyz" },
    { url: "/metrics", remoteAddress: "127.0.0.1" },
  ] satisfies InjectOptions[])("%j", async (request) => {
    const seen = await ask(2 * perMinute, { remoteAddress: newAddress(), ...request });
    expect(Object.keys(seen)).toHaveLength(1);
    expect(seen).not.toHaveProperty("429");
  });

  it("is an upload of an address whose other requests are refused", async () => {
    const remoteAddress = newAddress();
    await ask(perMinute + 1, { remoteAddress });
    const cellId = await newCell(api);
    const payload = { type: "lux", cellId, loggerId: 1, ts: 1, data: { a: 1 } };
    const upload = { method: "POST", url: "/api/sensor/", payload, remoteAddress } as const;
    const added = await rowsAdded(api.db, async () => {
      expect(await ask(1, upload)).toEqual({ 200: 1 });
    });
    expect(added).toMatchObject({ reading: 1 });
  });
});

describe.runIf(hasRedis)("processes with a Redis", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(async () => {
    await redis.remove();
  });

  /** A server as one of several processes, once it has found its Redis. */
  async function open() {
    const client = openRedis(redis.url, silentLog);
    await expect.poll(() => client.status, { timeout: 15_000 }).toBe("ready");
    const deps = testDeps(api.db, () => api.now);
    const settings = { ...deps.settings, requestsPerMinute: perMinute };
    const app = buildServer({ ...deps, settings, redis: client });
    app.addHook("onClose", () => client.disconnect());
    const left = async (remoteAddress: string) =>
      (await app.inject({ url: "/api/cell/", remoteAddress })).headers["ratelimit"];
    return { app, left };
  }

  it("count together, and each for itself while it is away", async () => {
    const [one, other] = [await open(), await open()];
    const remoteAddress = newAddress();
    expect(await one.left(remoteAddress)).toBe(`"address";r=59;t=60`);
    expect(await other.left(remoteAddress)).toMatch(/r=58/);
    await redis.stop();
    const begun = performance.now();
    expect(await one.left(remoteAddress)).toMatch(/r=59/);
    expect(await other.left(remoteAddress)).toMatch(/r=59/);
    expect(await one.left(remoteAddress)).toMatch(/r=58/);
    expect(performance.now() - begun).toBeLessThan(2000);
    await Promise.all([one.app.close(), other.app.close()]);
  });
});
