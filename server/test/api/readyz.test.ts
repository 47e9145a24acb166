import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { sql } from "kysely";
import { connect, type Db } from "../../src/db/connect.ts";
import { DatabaseProbe } from "../../src/db/probe.ts";
import { buildServer } from "../../src/resources/server.ts";
import { silentBell, testDeps, useApi } from "../support/api.ts";
import { openJournal, useDirectories } from "../support/journal.ts";
import { silentLog } from "../support/log.ts";

const api = useApi();
const newDirectory = useDirectories();
const closers: (() => Promise<unknown>)[] = [];
const empty = { uploads: 0, bytes: 0 };

/** Bytes that a node has room for. */
const room = 222;

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

describe("GET /readyz", () => {
  it("says that the database is up, to anyone, and to nodes within their room", async () => {
    const response = await api.get("/readyz");
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({
      status: "ready",
      database: "up",
      migrations: "applied",
      queue: "up",
      journal: empty,
    });
    expect((await api.get("/readyz/")).json()).toEqual(response.json());
    expectRoom(await askAsNode(api.app));
  });

  it("says that the database is away, and answers nodes within their room then too", async () => {
    const app = serverOf(connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog));
    const response = await app.inject("/readyz");
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({
      status: "journaling",
      database: "away",
      migrations: "applied",
      queue: "up",
      journal: empty,
    });
    expectRoom(await askAsNode(app));
  });

  it("isn't ready while the database hasn't the form that is needed", async () => {
    const app = buildServer({ ...testDeps(api.db, () => api.now), isMigrated: () => false });
    closers.push(async () => await app.close());
    const { statusCode, json } = await app.inject("/readyz");
    expect(statusCode).toBe(503);
    expect(json()).toMatchObject({ status: "journaling", database: "up", migrations: "pending" });
  });

  it("says what the journal holds, whether or not the database is back", async () => {
    const journal = await openJournal(newDirectory());
    closers.push(async () => await journal.close());
    const usual = testDeps(api.db, () => api.now);
    const app = buildServer({ ...usual, journal });
    closers.push(async () => await app.close());
    await Promise.all(["one", "two"].map(async (record) => await journal.append(record)));
    const { statusCode, json } = await app.inject("/readyz");
    expect(statusCode).toBe(200);
    const held = { uploads: 2, bytes: journal.depth().bytes };
    expect(json()).toMatchObject({ status: "ready", database: "up", journal: held });
    await journal.drain(async () => {});
    expect((await app.inject("/readyz")).json()).toMatchObject({ journal: empty });
  });

  it("is ready without what tells workers of tasks, and says so", async () => {
    const usual = testDeps(api.db, () => api.now);
    const app = buildServer({ ...usual, bell: { ...silentBell, isUp: () => false } });
    closers.push(async () => await app.close());
    const { statusCode, json } = await app.inject("/readyz");
    expect(statusCode).toBe(200);
    expect(json()).toMatchObject({ status: "ready", queue: "away" });
    expectRoom(await askAsNode(app));
  });

  it("answers soon while the database hangs, and asks it once, however many ask", async () => {
    const { url, sockets } = await hangingDatabase();
    const probe = new DatabaseProbe(() => url);
    closers.push(async () => await probe.close());
    const app = serverOf(connect(url, silentLog), probe);
    const begin = performance.now();
    const responses = await Promise.all(Array.from({ length: 50 }, () => app.inject("/readyz")));
    const again = await app.inject("/readyz");
    expect(performance.now() - begin).toBeLessThan(4000);
    expect(new Set([...responses, again].map(({ statusCode }) => statusCode))).toEqual(
      new Set([503]),
    );
    // Once for all, once again, and neither is left open.
    expect(sockets.length).toBe(2);
    await expect.poll(() => sockets.every(({ closed }) => closed)).toBe(true);
  });

  it("asks over one connection, however often it asks, and over another one when that was cut", async () => {
    const probe = new DatabaseProbe(() => api.databaseUrl);
    closers.push(async () => await probe.close());
    const countProbes = async () => {
      const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity
        where application_name = 'ents-backend (probe)'`.execute(api.db);
      return rows.map(({ pid }) => pid);
    };
    expect([await probe.isUp(), await probe.isUp()]).toEqual([true, true]);
    const [pid, ...others] = await countProbes();
    expect(others).toEqual([]);
    await sql`select pg_terminate_backend(${pid}::int, 5000)`.execute(api.db);
    await expect.poll(() => probe.isUp()).toBe(true);
    expect(await countProbes()).toHaveLength(1);
  });

  it("says that files of the journal are kept aside", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    closers.push(async () => await journal.close());
    const app = buildServer({ ...testDeps(api.db, () => api.now), journal });
    closers.push(async () => await app.close());
    await journal.append("of no use");
    await journal.drain(async (records) => records);
    expect((await app.inject("/readyz")).json()).toMatchObject({ journal: { ...empty, aside: 1 } });
    expectRoom(await askAsNode(app));
    const { body } = await app.inject("/metrics");
    expect(body).toMatch(new RegExp(`^ents_journal_aside_bytes ${journal.aside().bytes}$`, "m"));
  });
});

describe("GET /healthz", () => {
  it("says that the process is alive, without a look at the database", async () => {
    const { url, sockets } = await hangingDatabase();
    const { statusCode, json, headers } = await serverOf(connect(url, silentLog)).inject(
      "/healthz",
    );
    expect([statusCode, json()]).toEqual([200, { status: "alive" }]);
    expect(sockets).toEqual([]);
    expect(headers).not.toHaveProperty("content-security-policy");
  });
});

function serverOf(db: Db, probe = testDeps(db, () => 0).probe): FastifyInstance {
  const app = buildServer({ ...testDeps(db, () => 0), probe });
  closers.push(async () => await db.destroy());
  closers.push(async () => await app.close());
  return app;
}

/** A database that takes connections and says nothing. */
async function hangingDatabase(): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on("error", () => {}).resume()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return { url: `postgres://nobody@127.0.0.1:${port}/nowhere`, sockets };
}

async function askAsNode(app: FastifyInstance): Promise<LightMyRequestResponse> {
  const headers = { "content-type": "application/octet-stream" };
  return await app.inject({ url: "/readyz", headers });
}

function expectRoom({ rawPayload, headers }: LightMyRequestResponse): void {
  expect(rawPayload.length).toBeLessThanOrEqual(room);
  expect(headers["content-length"]).toBe(String(rawPayload.length));
}
