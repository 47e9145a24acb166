import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { connect, type Db } from "../../src/db/connect.ts";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, useApi } from "../support/api.ts";
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
    expect(response.json()).toEqual({ status: "ready", database: "up", journal: empty });
    expect((await api.get("/readyz/")).json()).toEqual(response.json());
    expectRoom(await askAsNode(api.app));
  });

  it("says that the database is away, and answers nodes within their room then too", async () => {
    const app = serverOf(connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog));
    const response = await app.inject("/readyz");
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({ status: "journaling", database: "away", journal: empty });
    expectRoom(await askAsNode(app));
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
    expect(json()).toEqual({ status: "ready", database: "up", journal: held });
    await journal.drain(async () => {});
    expect((await app.inject("/readyz")).json()).toMatchObject({ journal: empty });
  });

  it("answers soon while the database hangs, and asks it once, however many ask", async () => {
    const { db, connections } = await hangingDatabase();
    const app = serverOf(db);
    const begin = performance.now();
    const responses = await Promise.all(Array.from({ length: 50 }, () => app.inject("/readyz")));
    const again = await app.inject("/readyz");
    expect(performance.now() - begin).toBeLessThan(4000);
    expect(new Set([...responses, again].map(({ statusCode }) => statusCode))).toEqual(
      new Set([503]),
    );
    expect(connections.length).toBe(1);
    for (const socket of connections) socket.destroy();
  });
});

function serverOf(db: Db): FastifyInstance {
  const app = buildServer(testDeps(db, () => 0));
  closers.push(async () => await db.destroy());
  closers.push(async () => await app.close());
  return app;
}

/** A database that takes connections and says nothing. */
async function hangingDatabase(): Promise<{ db: Db; connections: Socket[] }> {
  const connections: Socket[] = [];
  const server = createServer((socket) => connections.push(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return { db: connect(`postgres://nobody@127.0.0.1:${port}/nowhere`, silentLog), connections };
}

async function askAsNode(app: FastifyInstance): Promise<LightMyRequestResponse> {
  const headers = { "content-type": "application/octet-stream" };
  return await app.inject({ url: "/readyz", headers });
}

function expectRoom({ rawPayload, headers }: LightMyRequestResponse): void {
  expect(rawPayload.length).toBeLessThanOrEqual(room);
  expect(headers["content-length"]).toBe(String(rawPayload.length));
}
