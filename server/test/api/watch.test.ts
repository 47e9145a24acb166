import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { Writable } from "node:stream";
import type { FastifyInstance, InjectOptions } from "fastify";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openMetrics } from "../../src/metrics.ts";
import { buildServer } from "../../src/resources/server.ts";
import { RawConnection } from "../support/raw-http.ts";
import { testDeps, testIngest, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";

/** What a line of the log holds. */
type Line = Readonly<Record<string, unknown>>;

const api = useApi();
const protobuf = { "content-type": "application/octet-stream" };
let failing = false;
let logged: Line[] = [];
let app: FastifyInstance;

beforeAll(async () => {
  app = open("debug");
  await app.listen({ port: 0, host: "127.0.0.1" });
});
afterAll(async () => {
  await app.close();
});

function open(level: string): FastifyInstance {
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      logged.push(JSON.parse(String(chunk)) as Line);
      done();
    },
  });
  const logger = pino({ level }, stream);
  const usual = testDeps(api.db, () => api.now);
  const metrics = openMetrics();
  const ingest = testIngest(api.db, { metrics });
  const take: typeof ingest.take = async (uplink) => {
    if (failing) throw new Error("something unforeseen");
    return await ingest.take(uplink);
  };
  const settings = { ...usual.settings, trustProxy: "127.0.0.1" };
  return buildServer({
    ...usual,
    settings,
    logger,
    log: logger,
    metrics,
    ingest: { take },
  });
}

/** The lines of the log that a request leaves. */
async function linesOf(request: InjectOptions, of = app) {
  logged = [];
  const answer = await of.inject(request);
  return { answer, lines: logged };
}

/** The name that a request ends up with. */
const nameOf = async (name: string, remoteAddress: string) => {
  const headers = { "x-request-id": name };
  return (await app.inject({ url: "/api/tag/", headers, remoteAddress })).headers["x-request-id"];
};

describe("a request", () => {
  it("has a name, in its answer, in a problem and in the log", async () => {
    const url = "/api/cell/999999?x=1";
    const { answer, lines } = await linesOf({ url });
    const id = answer.headers["x-request-id"];
    expect(id).toMatch(/^[\w-]{8}-\w+$/);
    expect(answer.json()).toMatchObject({ status: 404, request_id: id });
    expect(lines).toMatchObject([
      {
        level: 20,
        msg: "request",
        request_id: id,
        method: "GET",
        path: "/api/cell/999999",
        route: "/api/cell/:cell",
        status: 404,
        whole: true,
      },
    ]);
    expect((await linesOf({ url })).answer.headers["x-request-id"]).not.toBe(id);
  });

  it("has its name also in the problem of one that breaks off", async () => {
    const connection = new RawConnection((app.server.address() as AddressInfo).port);
    const head = "POST /api/cell/ HTTP/1.1\r\nHost: a\r\nX-Request-Id: broken-off-1\r\n";
    const chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    const arrived = once(app.server, "request");
    connection.send(head + chunked);
    await arrived;
    connection.send("no length\r\n");
    const { status, body } = await connection.answer();
    expect(status).toBe(400);
    expect(JSON.parse(String(body))).toMatchObject({ status: 400, request_id: "broken-off-1" });
    connection.hangUp();
  });

  it("leaves nothing of its body behind on a connection that is kept", async () => {
    const connection = new RawConnection((app.server.address() as AddressInfo).port);
    connection.send(
      "POST /api/sensor/ HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\nbody",
    );
    expect((await connection.answer()).status).toBe(400);
    const latest = () => [...app.exchanges].map(([, { reply }]) => reply.request);
    await expect.poll(() => latest().map(({ body }) => body)).toEqual([undefined]);
    connection.hangUp();
  });

  it("keeps the name that a proxy gave it which is believed, if it is one", async () => {
    const given = "7d9f:proxy-1";
    expect(await nameOf(given, "127.0.0.1")).toBe(given);
    expect(await nameOf(given, "203.0.113.9")).not.toBe(given);
    for (const bad of [
      "short",
      "x".repeat(65),
      "with spaces in it",
      '{"a":"injected"}',
      "line\u2028s",
    ])
      expect(await nameOf(bad, "127.0.0.1")).not.toBe(bad);
  });

  it("leaves a line where it failed, also where only that is logged, and none else", async () => {
    const quiet = open("info");
    expect((await linesOf({ url: "/api/cell/999999" }, quiet)).lines).toEqual([]);
    failing = true;
    const upload = {
      method: "POST",
      url: "/api/sensor/",
      headers: protobuf,
      payload: "x",
    } as const;
    const { answer, lines } = await linesOf(upload, quiet);
    failing = false;
    expect(answer.statusCode).toBe(500);
    expect(answer.headers).not.toHaveProperty("x-request-id");
    expect(lines).toMatchObject([
      { level: 50, path: "/api/sensor", err: { message: "something unforeseen" } },
      { level: 30, msg: "request", status: 500 },
    ]);
    expect(lines[0]!["request_id"]).toBe(lines[1]!["request_id"]);
    expect(lines[0]!["request_id"]).toMatch(/./);
    await quiet.close();
  });
});

describe("GET /metrics", () => {
  it("counts requests by route and class of status, and never by what was sent", async () => {
    const before = new Set(await samplesOf("ents_http_request_seconds_count"));
    for (let i = 0; i < 3; i += 1) await app.inject(`/api/power/${9_000 + i}?secret=${i}`);
    await app.inject("/nope/whatever");
    await app.inject({ method: "DELETE", url: "/api/tag/" });
    const after = await samplesOf("ents_http_request_seconds_count");
    expect(after.filter((sample) => !before.has(sample)).sort()).toEqual(
      [
        '{method="DELETE",route="/api/tag",status="4xx"} 1',
        '{method="GET",route="/api/power/:cell",status="2xx"} 3',
        '{method="GET",route="none",status="4xx"} 1',
        '{method="GET",route="/metrics",status="2xx"} 1',
      ].sort(),
    );
  });

  it("knows how many are being answered, those that hang up included", async () => {
    expect(await samplesOf("ents_http_requests_in_flight")).toEqual([" 1"]);
    const { port } = app.server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    const head = "POST /api/tag/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    socket.write(`${head}Content-Length: 100\r\n\r\n{`);
    await once(socket, "connect");
    await expect.poll(async () => await samplesOf("ents_http_requests_in_flight")).toEqual([" 2"]);
    socket.destroy();
    await expect.poll(async () => await samplesOf("ents_http_requests_in_flight")).toEqual([" 1"]);
  });

  it("says of uploads what became of each that was sent", async () => {
    const cellId = await newCell(api);
    const lux = (ts: number, a: number) => ({
      type: "lux",
      cellId,
      loggerId: 1,
      ts,
      data: { a, b: 1 },
    });
    const json = async (payload: object, url = "/api/sensor/") =>
      await app.inject({ method: "POST", url, payload });
    const before = await counts();
    await json(lux(1, 1));
    await json(lux(2, 1), "/api/sensor_json/");
    await json(lux(2, 1));
    await json(lux(2, 7));
    await json({ ...lux(3, 1), cellId: 999_999 });
    await app.inject({ method: "POST", url: "/api/sensor/", headers: protobuf, payload: "\xff" });
    await app.inject({ method: "POST", url: "/u/aaaaaaaaaaaaaaaaaaaaaa", headers: protobuf });
    await app.inject({
      method: "POST",
      url: "/api/sensor/",
      payload: "x",
      headers: { "content-type": "text/csv" },
    });
    expect(difference(before, await counts())).toEqual({
      'uploads_total{door="/sensor",format="json",outcome="stored"}': 3,
      'uploads_total{door="/sensor_json",format="json",outcome="stored"}': 1,
      'uploads_total{door="/sensor",format="json",outcome="unknown_cell"}': 1,
      'uploads_total{door="/sensor",format="measurement/v1",outcome="undecodable"}': 1,
      'uploads_total{door="/u/:key",format="measurement/v1",outcome="unknown_upload_key"}': 1,
      'uploads_total{door="/sensor",format="unknown",outcome="unsupported_media_type"}': 1,
      'readings_total{result="stored"}': 4,
      'readings_total{result="repeated"}': 3,
      'readings_total{result="conflicting"}': 1,
    });
  });
});

/** The samples of a metric, as `{labels} value`. */
async function samplesOf(name: string): Promise<string[]> {
  const { body } = await app.inject("/metrics");
  const samples = body.split("\n").filter((line) => line.startsWith(name));
  return samples.map((line) => line.slice(name.length));
}

async function counts(): Promise<Map<string, number>> {
  const samples = await samplesOf("ents_");
  const pairs = samples.map((sample) => /^(.*) (\S+)$/.exec(sample)!);
  return new Map(
    pairs
      .filter(([, name]) => /^(uploads|readings)_total/.test(name!))
      .map(([, name, value]) => [name!, Number(value)]),
  );
}

function difference(before: Map<string, number>, after: Map<string, number>) {
  const changes = [...after].map(
    ([name, value]) => [name, value - (before.get(name) ?? 0)] as const,
  );
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}
