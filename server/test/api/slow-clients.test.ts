import { readdirSync, readlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { networkInterfaces } from "node:os";
import { connect, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect as connectTo, type Db } from "../../src/db/connect.ts";
import { limitConnections } from "../../src/http/connections.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog } from "../support/log.ts";
import { encodeVersion1 } from "../support/messages.ts";
import { RawConnection } from "../support/raw-http.ts";
import { rowsAdded } from "../support/rows.ts";
import { store } from "../support/series.ts";

const api = useApi({ headersTimeout_ms: 3000, requestTimeout_ms: 4000 });
/** One that can ask the database one thing at a time. */
const narrow = useApi({ idleTimeout_ms: 3000 }, () => {
  const limits = { connections: 1, statementTimeout_ms: 0 };
  return { reads: (reads = connectTo(narrow.databaseUrl, silentLog, limits)) };
});
let reads: Db;
const start = 1_704_067_200;
let port = 0;
let cell = 0;

beforeAll(async () => {
  cell = await newCell(api);
  await api.app.listen({ port: 0, host: "127.0.0.1" });
  ({ port } = api.app.server.address() as AddressInfo);
});

/** Uploads as a node does, over a connection of its own; answers the status and how long it took. */
async function upload(ts: number): Promise<{ status: number; took_ms: number }> {
  const power = { case: "power", value: { voltage: 1, current: 1 } } as const;
  const body = encodeVersion1({ cellId: cell, loggerId: 1, ts }, power);
  const connection = new RawConnection(port);
  const begun = performance.now();
  const head =
    `POST /api/sensor/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n` +
    `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
  connection.send(Buffer.concat([Buffer.from(head), body]));
  const { status } = await connection.answer();
  return { status, took_ms: performance.now() - begun };
}

/** Uploads twenty times at once; answers how long the last one took. */
async function uploadSome(): Promise<number> {
  const first = Math.floor(Math.random() * 1e9);
  const uploads = Array.from({ length: 20 }, async (_, at) => await upload(first + at));
  const answers = await Promise.all(uploads);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  return Math.max(...answers.map(({ took_ms }) => took_ms));
}

/** Connections on each of which some bytes were sent, and no more will be. */
async function leaveOpen(count: number, text: string): Promise<Socket[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port, host: "127.0.0.1" }).on("error", () => {});
      await once(socket, "connect");
      if (text !== "") socket.write(text);
      return socket.resume();
    }),
  );
}

const allClosed = (sockets: readonly Socket[]) =>
  expect.poll(() => sockets.filter((socket) => !socket.closed).length, { timeout: 15_000 }).toBe(0);

describe("a thousand connections that", () => {
  it.each([
    ["never say anything", ""],
    ["never end their headers", "GET /api/ HTTP/1.1\r\nHost: a\r\nX-Slow: "],
    [
      "never send the body",
      "POST /api/sensor/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
    ],
  ])(
    "%s keep no upload from being stored and answered in time, and are closed",
    async (_, text) => {
      // However busy the machine is with other tests.
      const usual_ms = await uploadSome();
      const sockets = await leaveOpen(1000, text);
      const added = await rowsAdded(api.db, async () => {
        expect(await uploadSome()).toBeLessThan(1000 + 2 * usual_ms);
      });
      expect(added).toMatchObject({ reading: 60 });
      await allClosed(sockets);
    },
    30_000,
  );
});

it("breaks off an answer that has begun when its request doesn't end, with nothing in its middle", async () => {
  const socket = connect({ port, host: "127.0.0.1" });
  let heard = "";
  socket.on("data", (bytes: Buffer) => (heard += bytes.toString()));
  socket.write(`GET /api/live?cells=${cell} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`);
  await once(socket, "close");
  expect(heard).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*text\/event-stream[^]*\r\n\r\n/);
  expect(heard.match(/HTTP\/1/g)).toHaveLength(1);
});

/** Files without a name that this process holds for answers. */
function spools(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`);
      return file.includes("ents-backend-") ? [file] : [];
    } catch {
      return [];
    }
  });
}

describe.runIf(process.platform === "linux")(
  "who asks for a long answer and doesn't read it",
  () => {
    afterAll(async () => {
      await reads.destroy();
    });

    it("is cut off, leaves nothing behind, and held no connection to the database", async () => {
      const count = 200_000;
      const stored = await newCell(narrow);
      await store(narrow, stored, powerStreams.v, [[start, 1]]);
      await sql`
      insert into reading (sensor_id, ts, value, received_at)
      select sensor.id, to_timestamp(${start}::int + n), n, now()
      from sensor, generate_series(1, ${count}) as n
      where measurement = ${powerStreams.v.measurement}`.execute(narrow.db);
      await narrow.app.listen({ port: 0, host: "127.0.0.1" });
      const to = { port: (narrow.app.server.address() as AddressInfo).port, host: "127.0.0.1" };
      const span = `startTime=${start}&endTime=${start + count}`;
      const asked = connect(to)
        .on("error", () => {})
        .pause();
      asked.write(`GET /api/power/${stored}?${span}&resample=none HTTP/1.1\r\nHost: a\r\n\r\n`);
      await expect.poll(() => spools().length, { timeout: 10_000 }).toBe(3);
      expect((await narrow.get(`/api/power/${stored}?endTime=${start}`)).statusCode).toBe(200);
      await expect.poll(spools, { timeout: 60_000, interval: 200 }).toEqual([]);
      asked.destroy();
      expect((await narrow.get("/readyz")).statusCode).toBe(200);
    }, 60_000);
  },
);

describe("connections", () => {
  it.runIf(ownAddress())("of one address are few, unless it is a proxy's", async () => {
    const host = ownAddress()!;
    for (const isProxy of [false, true]) {
      const server = await listen({ connections: 9, connectionsPerAddress: 2 }, () => isProxy);
      const to = { port: (server.address() as AddressInfo).port, host };
      const open = await Promise.all(
        [1, 2, 3].map(async () => {
          const socket = connect(to).on("error", () => {});
          await once(socket, "connect");
          return socket.resume();
        }),
      );
      const left = () => open.filter(({ closed }) => !closed).length;
      await expect.poll(left).toBe(isProxy ? 3 : 2);
      const here = await fetch(`http://127.0.0.1:${to.port}/`);
      expect(here.status).toBe(200);
      for (const socket of open) socket.destroy();
      await expect.poll(async () => (await fetch(`http://${host}:${to.port}/`)).status).toBe(200);
      server.closeAllConnections();
      server.close();
    }
  });

  it("are no more than there is room for, and there is room again when one closes", async () => {
    const server = await listen({ connections: 3, connectionsPerAddress: 3 }, () => false);
    const to = { port: (server.address() as AddressInfo).port, host: "127.0.0.1" };
    const three = [connect(to), connect(to), connect(to)];
    await Promise.all(three.map(async (socket) => await once(socket, "connect")));
    const fourth = connect(to).on("error", () => {});
    await once(fourth, "close");
    three[0]!.destroy();
    await expect
      .poll(
        async () => (await fetch(`http://127.0.0.1:${to.port}/`).catch(() => undefined))?.status,
      )
      .toBe(200);
    for (const socket of three) socket.destroy();
    server.close();
  });
});

/** An address of this machine that the network knows it by, if it has one. */
function ownAddress(): string | undefined {
  const known = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return known.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

async function listen(
  limits: { connections: number; connectionsPerAddress: number },
  isProxy: () => boolean,
): Promise<Server> {
  const server = createServer((_, response) => response.end("here"));
  limitConnections(server, limits, { isProxy, log: silentLog });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  return server;
}
