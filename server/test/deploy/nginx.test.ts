import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { request as requestTls, type RequestOptions } from "node:https";
import { createServer, type AddressInfo, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { freePort } from "../support/free-port.ts";
import { hasNginx, startNginx, type TestNginx } from "../support/nginx.ts";
import { RawConnection, valuesOf, type RawAnswer } from "../support/raw-http.ts";
import { rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";

/** Bytes of an answer's body that a node has room for, and how long it waits. */
const room = 222;
const patience_ms = 1000;

const api = useApi();
const servers: Server[] = [];
const proxies: TestNginx[] = [];
/** nginx before an API, before nobody, before what accepts and never answers, and before what tells what it is asked. */
const behind = { up: 0, down: 0, hanging: 0, telling: 0 };
const tls = { up: 0, telling: 0 };
let cellId = 0;

beforeAll(async () => {
  if (!hasNginx) return;
  await api.app.listen({ port: 0, host: "127.0.0.1" });
  cellId = await newCell(api);
  const up = await proxy(portOf(api.app.server));
  const telling = await proxy(await listen(tellRequests()));
  behind.up = up.http;
  behind.down = (await proxy(await freePort())).http;
  behind.hanging = (await proxy(await listen(createServer(() => {})))).http;
  behind.telling = telling.http;
  Object.assign(tls, { up: up.https, telling: telling.https });
});

afterAll(async () => {
  for (const nginx of proxies) await nginx.stop();
  for (const server of servers) server.close();
});

async function proxy(backend: number): Promise<TestNginx> {
  const nginx = await startNginx(backend);
  proxies.push(nginx);
  return nginx;
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return portOf(server);
}

function portOf(server: Pick<Server, "address">): number {
  return (server.address() as AddressInfo).port;
}

/** Answers every request with the headers that it came with. */
function tellRequests(): Server {
  const server = createHttpServer((request, response) => {
    request.resume();
    request.on("end", () => response.end(JSON.stringify(request.headers)));
  });
  server.on("upgrade", (request, socket) => {
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`);
  });
  return server;
}

/** A request as the firmware writes it. */
function asNode(line: string, body: Uint8Array = Buffer.alloc(0), headers = ""): Buffer {
  const head = `${line} HTTP/1.1\r\nHost: 192.168.1.20\r\nUser-Agent: ents/2.3.0\r\n${headers}`;
  const framing = body.length > 0 ? `Content-Length: ${body.length}\r\n` : "";
  return Buffer.concat([Buffer.from(`${head}${framing}\r\n`), body]);
}

const octets = "Content-Type: application/octet-stream\r\nConnection: close\r\n";
const v1 = () => formats["version 1"]({ cellId }).payload;
const v2 = () => formats["version 2"]({ cellId }).payload;

const nodes: Readonly<Record<string, () => Buffer>> = {
  "GET /api/": () => asNode("GET /api/"),
  "an upload in version 1": () => asNode("POST /api/sensor/", v1(), octets),
  "an upload in version 2": () => asNode("POST /api/sensor", v2(), `${octets}SensorVersion: 2\r\n`),
  "an upload with two slashes": () => asNode("POST /api//sensor/", v1(), octets),
  "an upload by its key": () => asNode("POST /u/abcdefghijklmnopqrstuv", v1(), octets),
};

/** Sends a request over plain HTTP; answers what a node gets of it, once that is seen to fit it. */
async function ask(port: number, request: Buffer): Promise<RawAnswer & { took_ms: number }> {
  const connection = new RawConnection(port);
  const sentAt_ms = performance.now();
  connection.send(request);
  const answer = await connection.answer();
  const took_ms = performance.now() - sentAt_ms;
  expect(answer.body.length).toBeLessThanOrEqual(room);
  expect(answer.headSize).toBeLessThan(300);
  expect(answer.inOnePacket).toBe(true);
  expect(valuesOf(answer, "transfer-encoding")).toEqual([]);
  expect(valuesOf(answer, "server")).toEqual(["nginx"]);
  expect(connection.rest).toHaveLength(0);
  connection.hangUp();
  return { ...answer, took_ms };
}

/** The same of an API that may be slow on a machine that is busy with other tests. */
async function askPatiently(port: number, request: Buffer): Promise<RawAnswer> {
  const answer = await ask(port, request);
  return answer.status === 504 ? await askPatiently(port, request) : answer;
}

describe.skipIf(!hasNginx)("a node behind deploy/nginx.conf (skipped without nginx)", () => {
  it("is answered by the API, which stores or keeps what it uploads", async () => {
    const statuses: number[] = [];
    const added = await rowsAdded(api.db, async () => {
      for (const request of Object.values(nodes))
        statuses.push((await askPatiently(behind.up, request())).status);
    });
    expect(statuses).toEqual([200, 200, 200, 200, 401]);
    expect(Object.keys(added)).toEqual(expect.arrayContaining(["reading", "quarantine"]));
  });

  it.each([
    ["down", 502],
    ["hanging", 504],
  ] as const)("is answered in time when the API is %s", async (state, status) => {
    const waits_ms: number[] = [];
    for (const [name, request] of Object.entries(nodes)) {
      const answer = await ask(behind[state], request());
      expect(answer.status, name).toBe(status);
      waits_ms.push(answer.took_ms);
    }
    // One may be late where the machine is busy.
    expect(waits_ms.toSorted((a, b) => a - b).at(-2)).toBeLessThan(patience_ms);
  });

  it.each([
    ["without a host", 400, "POST /api/sensor/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n"],
    ["that is no HTTP", 400, "\u0008\u0001 what\r\n\r\n"],
    ["of a method that there isn't", 405, "TRACE /api/ HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "that is too large",
      413,
      `POST /api/sensor/ HTTP/1.1\r\nHost: x\r\n${octets}Content-Length: 2000000\r\n\r\n`,
    ],
    ["with too long a path", 414, `GET /api/sensor/${"x".repeat(9000)} HTTP/1.1\r\n\r\n`],
    ["with too long a header", 400, `GET /api/ HTTP/1.1\r\nA: ${"x".repeat(9000)}\r\n\r\n`],
    ["for a page", 308, `POST /api/cell/ HTTP/1.1\r\nHost: x\r\n${octets}\r\n`],
  ])("is answered as briefly by nginx itself: a request %s", async (_, status, request) => {
    expect((await ask(behind.up, Buffer.from(request, "latin1"))).status).toBe(status);
  });
});

describe.skipIf(!hasNginx)("deploy/nginx.conf (skipped without nginx)", () => {
  it("sends everyone but nodes to HTTPS", async () => {
    const answer = await ask(behind.up, asNode("GET /api/power/1?resample=none"));
    expect(answer.status).toBe(308);
    const target = "https://ents.example.org/api/power/1?resample=none";
    expect(valuesOf(answer, "location")).toEqual([target]);
  });

  it("serves the API over HTTPS, and what nodes ask over plain HTTP", async () => {
    const { status, body } = await overTls(tls.up, { path: "/api/" });
    expect([status, JSON.parse(body)]).toEqual([200, { hello: "ents-backend is up" }]);
    expect((await askPatiently(behind.up, asNode("GET /api/"))).status).toBe(200);
  });

  it("tells the API who asks, whatever they say themselves", async () => {
    const lies = {
      "X-Forwarded-For": "6.6.6.6",
      Forwarded: "for=6.6.6.6",
      "X-Forwarded-Host": "evil",
    };
    const { body } = await overTls(tls.telling, {
      path: "/",
      headers: { ...lies, host: "ents:1" },
    });
    const told = JSON.parse(body) as Record<string, string>;
    expect(told).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      host: "ents:1",
    });
    expect(Object.keys(told)).not.toEqual(expect.arrayContaining(["forwarded"]));
    expect(Object.keys(told)).not.toEqual(expect.arrayContaining(["x-forwarded-host"]));
    const plain = asNode(
      "GET /api/",
      undefined,
      "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n",
    );
    const connection = new RawConnection(behind.telling);
    connection.send(plain);
    expect(String((await connection.answer()).body)).not.toContain("6.6.6.6");
    connection.hangUp();
  });

  it("lets WebSockets through", async () => {
    const headers = { connection: "Upgrade", upgrade: "websocket" };
    expect((await overTls(tls.telling, { path: "/socket.io/", headers })).status).toBe(101);
  });

  it("lets large bodies through to imports alone", async () => {
    expect([await send("/api/imports"), await send("/api/cell/")]).toEqual([200, 413]);
  });
});

/** Uploads three megabytes; answers the status. */
async function send(path: string): Promise<number> {
  const { status } = await overTls(tls.telling, { path, method: "POST" }, Buffer.alloc(3_000_000));
  return status;
}

async function overTls(port: number, options: RequestOptions, payload?: Buffer) {
  const request = requestTls({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    agent: false,
    ...options,
  });
  return await new Promise<{ status: number; body: string }>((resolve, reject) => {
    request.on("error", reject);
    request.on("upgrade", ({ statusCode = 0 }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, body: "" });
    });
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.end(payload);
  });
}
