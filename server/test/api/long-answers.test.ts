import { readdirSync, readlinkSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { sql } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { ramp, store } from "../support/series.ts";

/** Fails statements from a certain one on, where a test says so. */
let failsFrom = Infinity;
let statements = 0;
const api = useApi(undefined, ({ db }) => ({ reads: failing(db) }));
const start = 1_704_067_200;
const count = 9_000;
const readings = ramp(start, 1, count);

let cell = 0;
let url = "";
beforeAll(async () => {
  cell = await newCell(api);
  for (const stream of [powerStreams.v, powerStreams.i]) await store(api, cell, stream, readings);
  await api.app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = api.app.server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}/api/power/${cell}?startTime=0&resample=none&timestamps=unix`;
});

function failing(db: Db): Db {
  return db.withPlugin({
    transformQuery: ({ node }) => {
      statements += 1;
      if (statements >= failsFrom) throw new Error("the database is gone");
      return node;
    },
    transformResult: async ({ result }) => result,
  });
}

async function open(headers: Record<string, string> = {}, to = url): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request(to, { headers, agent: false }, resolve).on("error", reject).end();
  });
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const packets: Buffer[] = [];
  for await (const packet of answer) packets.push(packet as Buffer);
  return Buffer.concat(packets);
}

/** Files without a name that this process holds for answers. */
function spools(): string[] {
  const files = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return files.filter((file) => file.includes("ents-backend-"));
}

const onLinux = it.runIf(process.platform === "linux");

describe("an answer that is too long to be held", () => {
  it("comes in chunks, with every reading once and in order", async () => {
    const answer = await open();
    expect(answer.headers).toMatchObject({
      "transfer-encoding": "chunked",
      "content-type": "application/json; charset=utf-8",
    });
    expect(JSON.parse((await bodyOf(answer)).toString())).toEqual({
      timestamp: readings.map(([ts]) => ts),
      v: readings.map(([, value]) => value),
      i: readings.map(([, value]) => value),
      p: readings.map(([, value]) => value ** 2 / 1000),
    });
  });

  it("has whole buckets, wherever it is cut", async () => {
    const answer = await open({}, url.replace("none", "10 seconds".replace(" ", "+")));
    const { timestamp, v } = JSON.parse((await bodyOf(answer)).toString()) as {
      timestamp: number[];
      v: number[];
    };
    expect(timestamp).toEqual(ramp(start, 10, count / 10).map(([ts]) => ts));
    expect(v).toEqual(timestamp.map((_, at) => at * 10 + 4.5));
  });

  onLinux("leaves nothing behind, whether it is read to its end or not", async () => {
    await bodyOf(await open());
    const broken = await open();
    broken.destroy();
    await expect.poll(spools).toEqual([]);
  });

  onLinux(
    "breaks off where its readings can't be read, and doesn't end as if it were whole",
    async () => {
      statements = 0;
      // The first part takes a few statements; the last one would be the next.
      failsFrom = 6;
      const answer = await open();
      expect(answer.statusCode).toBe(200);
      await expect(bodyOf(answer)).rejects.toThrow(/aborted/);
      failsFrom = Infinity;
      await expect.poll(spools).toEqual([]);
    },
  );

  it("is a failure where not even the first part can be read", async () => {
    statements = 0;
    failsFrom = 1;
    const answer = await open();
    failsFrom = Infinity;
    expect(answer.statusCode).toBe(500);
  });
});

const arrivals = () => url.replace("resample=none", "stream=true");

/** Transactions that somebody has begun and not ended. */
async function idle(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%'`.execute(api.db);
  return rows[0]!.count;
}

describe("an answer by the time of arrival", () => {
  it("comes in chunks, with every reading once and in order", async () => {
    const answer = await open({}, arrivals());
    expect(answer.headers["transfer-encoding"]).toBe("chunked");
    expect(JSON.parse((await bodyOf(answer)).toString())).toEqual({
      // They came at the same moment.
      timestamp: readings.map(() => api.now),
      v: readings.map(([, value]) => value),
      i: readings.map(([, value]) => value),
      p: readings.map(([, value]) => value ** 2 / 1000),
    });
    await expect.poll(idle).toBe(0);
  });

  it("holds no connection for who reads slowly, or not at all", async () => {
    const slow = await Promise.all(Array.from({ length: 8 }, () => open({}, arrivals())));
    await expect.poll(idle).toBe(0);
    for (const answer of slow) answer.destroy();
    const gone = Array.from({ length: 8 }, () => {
      const asked = request(arrivals(), { agent: false }).on("error", () => undefined);
      asked.end(() => asked.destroy());
    });
    expect(gone).toHaveLength(8);
    await expect.poll(idle).toBe(0);
    expect((await open({}, `${arrivals()}&endTime=${start}`)).statusCode).toBe(200);
  });
});

describe("an answer that is short", () => {
  it("has its length", async () => {
    const answer = await open({}, `${url}&endTime=${start + 99}`);
    const body = await bodyOf(answer);
    expect(answer.headers["content-length"]).toBe(String(body.length));
    expect(answer.headers["transfer-encoding"]).toBeUndefined();
  });
});

describe("compression", () => {
  it.each([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
  ])("%s: is there for who asks for it, and changes nothing", async (encoding, decompress) => {
    for (const to of [url, `${url}&endTime=${start + 999}`]) {
      const plain = await bodyOf(await open({}, to));
      const answer = await open({ "accept-encoding": encoding }, to);
      expect(answer.headers["content-encoding"]).toBe(encoding);
      expect(decompress(await bodyOf(answer)).equals(plain)).toBe(true);
    }
  });

  it.each([
    ["GET /api/", "GET", "/api/", {}],
    ["a node's upload", "POST", "/api/sensor/", { "content-type": "application/octet-stream" }],
    ["a node that reads", "GET", "/api/power/1", { "content-type": "application/octet-stream" }],
    ["the list of cells", "GET", "/api/cell/id", {}],
  ] as const)("isn't there for %s", async (_, method, path, headers) => {
    const answer = await api.inject({
      method,
      url: path,
      headers: { ...headers, "accept-encoding": "gzip, br" },
      ...(method === "POST" && { payload: Buffer.alloc(2000) }),
    });
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers["transfer-encoding"]).toBeUndefined();
    expect(answer.headers["content-length"]).toBe(String(answer.rawPayload.length));
  });
});

it("stores what is uploaded while a long answer is read", async () => {
  const answer = await open();
  await store(api, cell, powerStreams.v, [[start + count, 1]]);
  await bodyOf(answer);
  const { rows } = await sql<{ count: number }>`
    select count(*)::int from reading where ts = to_timestamp(${start + count})`.execute(api.db);
  expect(rows).toEqual([{ count: 1 }]);
});
