import { once } from "node:events";
import { STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import type { FastifyInstance } from "fastify";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { ResponseSchema } from "../../src/ingest/codecs/proto/measurement_pb.js";
import { buildServer } from "../../src/resources/server.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { testDeps, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog } from "../support/log.ts";
import {
  base64,
  decimal,
  decodeVerdicts,
  encodeVersion1,
  encodeVersion2,
  unknownSensorType,
  webhook,
} from "../support/messages.ts";
import { RawConnection, type RawAnswer, valuesOf } from "../support/raw-http.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";

/** Bytes that a node has room for: it copies an answer's body there without checking. */
const room = 222;

const api = useApi();
const impatient = useApi({
  requestTimeout_ms: 200,
  headersTimeout_ms: 200,
});
const broken = useApi();
let away: { app: FastifyInstance; db: Db };
const cells = { open: 0, key: 0, own: 0, unknown: 4_294_967_295 };
/** A logger's number, and its upload key. */
const logger = { id: 0, key: "" };

beforeAll(async () => {
  cells.open = await newCell(api);
  cells.key = (await createCell(api.db, { name: "key", uploadPolicy: "key" })).id;
  await makeUploadKey();
  await newCell(broken);
  await sql`alter table reading add check (false)`.execute(broken.db);
  const db = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
  away = { db, app: buildServer(testDeps(db, () => 0)) };
  for (const { app } of [api, impatient, broken, away])
    await app.listen({ port: 0, host: "127.0.0.1" });
});

async function makeUploadKey(): Promise<void> {
  const { id: userId, headers } = await newUser(api);
  cells.own = (await createCell(api.db, { name: "own", uploadPolicy: "key", userId })).id;
  logger.id = (await createLogger(api.db, { name: "fielded", userId })).id;
  const url = `/api/logger/${logger.id}/upload-key`;
  const made = await api.inject({ method: "POST", url, headers });
  logger.key = made.json<{ upload_key: string }>().upload_key;
}

afterAll(async () => {
  await away.app.close();
  await away.db.destroy();
});

const ts = 1_705_316_400;
const undecodable = Buffer.from("ffff", "hex");

/** A version-1 message for a cell. */
function measurement(cellId: number, loggerId = 1): Uint8Array {
  const power = { case: "power", value: { voltage: 0.85, current: 0.00012 } } as const;
  return encodeVersion1({ cellId, loggerId, ts }, power);
}

/** A version-2 message of some measurements for a cell; `change` puts something else into one of them. */
function repeated(
  cellId: number,
  count: number,
  firstIdx: number,
  change: Readonly<
    Record<number, { type?: number; meta?: { cellId: number; loggerId?: number; ts: number } }>
  > = {},
): Uint8Array {
  const measurements = Array.from({ length: count }, (_, at) => ({
    meta: { cellId, loggerId: 1, ts: ts + at },
    type: 10,
    value: decimal(at),
    idx: firstIdx + at,
    ...change[at],
  }));
  return encodeVersion2(measurements);
}

/** A request as the firmware writes it. */
function upload(
  body: Uint8Array,
  { method = "POST", path = "/api/sensor/", type = "application/octet-stream", headers = "" } = {},
): Buffer {
  return request(
    `${method} ${path} HTTP/1.1\r\nHost: 192.168.1.20:8000\r\nUser-Agent: ents/2.3.0\r\n` +
      `Content-Type: ${type}\r\nConnection: close\r\n${headers}Content-Length: ${body.length}\r\n\r\n`,
    body,
  );
}

/** A request whose head ends in whatever frames its body. */
function framed(framing: string, body: string | Uint8Array, headers = ""): Buffer {
  return request(
    `POST /api/sensor/ HTTP/1.1\r\nHost: 192.168.1.20:8000\r\nUser-Agent: ents/2.3.0\r\n` +
      `Content-Type: application/octet-stream\r\nConnection: close\r\n${headers}${framing}\r\n\r\n`,
    body,
  );
}

function request(head: string, body: string | Uint8Array = ""): Buffer {
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
}

/** A body in one chunk. */
function chunk(body: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`${body.length.toString(16)}\r\n`),
    body,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);
}

const v2 = { headers: "SensorVersion: 2\r\n" };
const chunkedTransfer = "Transfer-Encoding: chunked";

/** What an answer's body says: to version 1, to version 2 as [idx, error], or to a client that isn't a node. */
type Says =
  | "success"
  | "error"
  | readonly (readonly [idx: number, error: number])[]
  | "json"
  | "problem";

/** What was sent, as bytes, and what must come back. */
type Case = readonly [name: string, send: () => Uint8Array | string, status: number, says: Says];

const taken: Case[] = [
  ["version 1", () => upload(measurement(cells.open)), 200, "success"],
  [
    "version 1 that says so",
    () => upload(measurement(cells.open), { headers: "SensorVersion: 1\r\n" }),
    200,
    "success",
  ],
  ["version 2 that doesn't say so", () => upload(repeated(cells.open, 16, 0)), 200, "success"],
  [
    "no slash at the end",
    () => upload(measurement(cells.open), { path: "/api/sensor" }),
    200,
    "success",
  ],
  [
    "double slashes",
    () => upload(measurement(cells.open), { path: "//api//sensor//" }),
    200,
    "success",
  ],
  [
    "no Host",
    () => {
      const body = measurement(cells.open);
      const type = "Content-Type: application/octet-stream\r\nConnection: close";
      return request(
        `POST /api/sensor/ HTTP/1.1\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
        body,
      );
    },
    200,
    "success",
  ],
  [
    "a client that takes compressed answers",
    () => upload(measurement(cells.open), { headers: "Accept-Encoding: gzip, br\r\n" }),
    200,
    "success",
  ],
  [
    "a body in chunks",
    () => framed(chunkedTransfer, chunk(measurement(cells.open))),
    200,
    "success",
  ],
  [
    "an expectation that nobody knows",
    () => upload(measurement(cells.open), { headers: "Expect: tea\r\n" }),
    200,
    "success",
  ],
  [
    "a line's end behind the body",
    () => request("", Buffer.concat([upload(measurement(cells.open)), Buffer.from("\r\n")])),
    200,
    "success",
  ],
  [
    "garbage behind the body",
    () => request("", Buffer.concat([upload(measurement(cells.open)), undecodable])),
    200,
    "success",
  ],
];

/** Version 2: how many measurements, the first idx, and whether the list of verdicts fits. */
const lists: [count: number, firstIdx: number, listed: boolean][] = [
  [1, 0, true],
  [16, 0, true],
  [16, 4_294_967_279, true],
  [27, 4_294_967_268, true],
  [28, 4_294_967_267, false],
  [28, 1, true],
  // 222 and 223 bytes: an idx of 128 or more takes one byte more.
  [55, 75, true],
  [55, 76, false],
  [100, 0, false],
  [4000, 4_294_963_295, false],
];

const refused: Case[] = [
  ["bytes that are no message", () => upload(undecodable), 400, "error"],
  ["bytes that are no message, version 2", () => upload(undecodable, v2), 400, [[0, 6]]],
  ["a message cut short", () => upload(measurement(cells.open).subarray(0, -1)), 400, "error"],
  ["nothing", () => upload(Buffer.alloc(0)), 400, "error"],
  ["nothing, version 2", () => upload(Buffer.alloc(0), v2), 400, [[0, 5]]],
  ["a body without a length", () => framed("X: y", measurement(cells.open)), 400, "error"],
  ["an unknown cell", () => upload(measurement(cells.unknown)), 400, "error"],
  [
    "an unknown cell, version 2",
    () => upload(repeated(cells.unknown, 2, 7), v2),
    400,
    [
      [7, 3],
      [8, 3],
    ],
  ],
  [
    "one unknown cell of three",
    () => upload(repeated(cells.open, 3, 0, { 1: { meta: { cellId: 0, ts } } }), v2),
    400,
    [
      [0, 0],
      [1, 3],
      [2, 0],
    ],
  ],
  [
    "an unknown sensor among a hundred",
    () => upload(repeated(cells.open, 100, 9, { 70: { type: unknownSensorType } }), v2),
    400,
    [[79, 4]],
  ],
  ["a webhook that says it is protobuf", () => upload(loraWan(cells.open)), 400, "error"],
  ["a cell that wants a key", () => upload(measurement(cells.key)), 401, "error"],
  [
    "a cell that wants a key, version 2",
    () => upload(repeated(cells.key, 1, 5), v2),
    401,
    [[5, 3]],
  ],
  ["bad escapes in the path", () => upload(undecodable, { path: "/api/sensor/%zz" }), 400, "error"],
  ["bad UTF-8 in the path", () => upload(undecodable, { path: "/api/%ff" }), 400, "error"],
  ...["/api/nope", "/sensor", "/api/sensor/x", `/api/sensor/${"a".repeat(5000)}`].map(
    (path): Case => [
      `nothing at ${path.slice(0, 20)}`,
      () => upload(measurement(cells.open), { path }),
      404,
      "error",
    ],
  ),
  [
    "nothing at a path, version 2",
    () => upload(repeated(cells.open, 1, 5), { ...v2, path: "/api/nope" }),
    404,
    [[0, 1]],
  ],
  ...["PUT", "DELETE", "PATCH"].map((method): Case => [
    `${method} where nodes upload`,
    () => upload(measurement(cells.open), { method }),
    405,
    "error",
  ]),
  ["POST /", () => upload(measurement(cells.open), { path: "/" }), 405, "error"],
  ["POST /api/", () => upload(measurement(cells.open), { path: "/api/" }), 405, "error"],
  [
    "POST /api/, version 2",
    () => upload(repeated(cells.open, 1, 5), { ...v2, path: "/api/" }),
    405,
    [[0, 1]],
  ],
  ["more than 256 kB, by its length", () => framed("Content-Length: 262145", ""), 413, "error"],
  [
    "more than 256 kB, in chunks",
    () => framed(chunkedTransfer, chunk(Buffer.alloc(262_145))),
    413,
    "error",
  ],
  [
    "more than 256 kB, version 2",
    () => framed("Content-Length: 262145", "", v2.headers),
    413,
    [[0, 1]],
  ],
  [
    "chunks with endless extensions",
    () => framed(chunkedTransfer, `1;${"x".repeat(20_000)}\r\n`),
    413,
    "error",
  ],
  [
    "a parameter that is too long",
    () => upload(undecodable, { path: `/api/power/${"1".repeat(200)}` }),
    414,
    "error",
  ],
  ...["/api/sensor_json/", "/api/power/", "/api/teros/", "/api/equations/validate"].map(
    (path): Case => [
      `protobuf to ${path}`,
      () => upload(measurement(cells.open), { path }),
      415,
      "error",
    ],
  ),
  ["an encoding without an end", () => framed("Transfer-Encoding: gzip", "ab"), 400, "error"],
  ["chunks that are none", () => framed(chunkedTransfer, "zz\r\n\r\n"), 400, "error"],
  [
    "chunks that are none, version 2",
    () => framed(chunkedTransfer, "zz\r\n", v2.headers),
    400,
    [[0, 1]],
  ],
];

/** To an upload URL: `change` says how the path is written. */
function byKey(
  cellId: number,
  { loggerId = 0, change = (path: string) => path, method = "POST", headers = "" } = {},
): Buffer {
  const path = change(`/u/${logger.key}`);
  const own = { cellId, loggerId: logger.id, ts };
  const message =
    headers === ""
      ? measurement(cellId, loggerId)
      : repeated(cellId, 2, 7, { 0: { meta: own }, 1: { meta: { ...own, loggerId } } });
  return upload(message, { path, method, headers });
}

const keyed: Case[] = [
  ["a message without logger", () => byKey(cells.own), 200, "success"],
  ["its own logger's number", () => byKey(cells.own, { loggerId: logger.id }), 200, "success"],
  ["a slash at the end", () => byKey(cells.own, { change: (path) => `${path}/` }), 200, "success"],
  ["double slashes", () => byKey(cells.own, { change: (path) => `/${path}//` }), 200, "success"],
  ["an open cell", () => byKey(cells.open), 200, "success"],
  [
    "the key as a header",
    () => upload(measurement(cells.own, 0), { headers: `X-API-Key: ${logger.key}\r\n` }),
    200,
    "success",
  ],
  ["someone else's cell", () => byKey(cells.key), 403, "error"],
  ["an unknown cell", () => byKey(cells.unknown), 400, "error"],
  ["another logger's number", () => byKey(cells.own, { loggerId: 4_000_000 }), 403, "error"],
  [
    "version 2",
    () => byKey(cells.own, v2),
    200,
    [
      [7, 0],
      [8, 0],
    ],
  ],
  [
    "another logger's number, version 2",
    () => byKey(cells.own, { ...v2, loggerId: 4_000_000 }),
    403,
    [
      [7, 0],
      [8, 2],
    ],
  ],
  [
    "an unknown key",
    () => byKey(cells.open, { change: () => `/u/${"A".repeat(22)}` }),
    401,
    "error",
  ],
  [
    "an unknown key, version 2",
    () => byKey(cells.open, { ...v2, change: () => `/u/${"A".repeat(22)}` }),
    401,
    [
      [7, 3],
      [8, 3],
    ],
  ],
  ["no key", () => byKey(cells.own, { change: () => "/u/" }), 404, "error"],
  ["more than a key", () => byKey(cells.own, { change: (path) => `${path}/x` }), 404, "error"],
  ["bad escapes", () => byKey(cells.own, { change: (path) => `${path}%zz` }), 400, "error"],
  [
    "an endless key",
    () => byKey(cells.own, { change: (path) => path + "x".repeat(200) }),
    414,
    "error",
  ],
  ...["GET", "PUT", "DELETE"].map((method): Case => [
    method,
    () => byKey(cells.own, { method }),
    405,
    "error",
  ]),
];

const neverHttp: Case[] = [
  ["a length that is none", () => framed("Content-Length: x", undecodable), 400, "problem"],
  ["a negative length", () => framed("Content-Length: -2", undecodable), 400, "problem"],
  ["a length past counting", () => framed(`Content-Length: ${"9".repeat(30)}`, ""), 400, "problem"],
  ["two lengths", () => framed("Content-Length: 2\r\nContent-Length: 3", "ab"), 400, "problem"],
  [
    "a length and chunks",
    () => framed(`Content-Length: 2\r\n${chunkedTransfer}`, "ab"),
    400,
    "problem",
  ],
  ["no request line", () => "nonsense\r\n\r\n", 400, "problem"],
  ["TLS", () => Buffer.from("1603010200010001fc0303", "hex"), 400, "problem"],
  ["HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "problem"],
  ["a version of the future", () => "GET /api/ HTTP/9.9\r\n\r\n", 400, "problem"],
  ["a header without a colon", () => "GET /api/ HTTP/1.1\r\nHost\r\n\r\n", 400, "problem"],
  ["a NUL in a header", () => "GET /api/ HTTP/1.1\r\nHost: \0\r\n\r\n", 400, "problem"],
  ["a NUL in the path", () => "GET /api/\0 HTTP/1.1\r\n\r\n", 400, "problem"],
  ["an endless path", () => `GET /api/${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`, 431, "problem"],
  [
    "an endless header",
    () => `GET /api/ HTTP/1.1\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
    431,
    "problem",
  ],
  ["endless headers", () => `GET /api/ HTTP/1.1\r\n${"X: y\r\n".repeat(4000)}\r\n`, 431, "problem"],
];

const asked: Case[] = [
  [
    "as a node asks",
    () => "GET /api/ HTTP/1.1\r\nHost: 192.168.1.20\r\nUser-Agent: ents/2.3.0\r\n\r\n",
    200,
    "json",
  ],
  ["without Host", () => "GET /api/ HTTP/1.1\r\n\r\n", 200, "json"],
  ["without a slash at the end", () => "GET /api HTTP/1.1\r\n\r\n", 200, "json"],
  ["of an older HTTP", () => "GET /api/ HTTP/1.0\r\n\r\n", 200, "json"],
  ["and closes", () => "GET /api/ HTTP/1.1\r\nConnection: close\r\n\r\n", 200, "json"],
  ["with garbage behind", () => "GET /api/ HTTP/1.1\r\n\r\nGARBAGE", 200, "json"],
  ["with a query", () => "GET /api/?x=%zz&y HTTP/1.1\r\n\r\n", 200, "json"],
  [
    "and takes compressed answers",
    () => "GET /api/ HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
    200,
    "json",
  ],
];

describe("an upload that is taken", () => {
  it.each(taken)("is answered: %s", (_, send, status, says) => meets(api, send(), status, says));

  it.each(lists)(
    "is answered: version 2, %d measurements from idx %d",
    async (count, firstIdx, listed) => {
      const message = upload(repeated(cells.open, count, firstIdx), v2);
      const verdicts = Array.from({ length: count }, (_, at) => [firstIdx + at, 0] as const);
      await meets(api, message, 200, listed ? verdicts : []);
    },
  );

  it("is stored even if its sender hung up before the answer", async () => {
    const cellId = await newCell(api);
    const arrived = once(api.app.server, "request");
    const connection = dial(api);
    connection.send(upload(measurement(cellId)));
    await arrived;
    connection.hangUp();
    const sensors = api.db.selectFrom("sensor").select("id").where("cell_id", "=", cellId);
    await expect.poll(async () => (await sensors.execute()).length).toBe(3);
  });
});

describe("an upload that is refused", () => {
  it.each(refused)("is answered: %s", (_, send, status, says) => meets(api, send(), status, says));

  it("is told to a client that isn't a node in JSON", async () => {
    const connection = dial(api);
    connection.send(upload(measurement(cells.open), { type: "text/plain" }));
    const answer = await connection.answer();
    expect(answer.status).toBe(415);
    expect(valuesOf(answer, "content-type")).toEqual(["application/problem+json"]);
    expectFramed(answer);
  });
});

describe("an upload to an upload URL", () => {
  it.each(keyed)("is answered: %s", (_, send, status, says) => meets(api, send(), status, says));

  it("is answered 503 within a node's room while the database is away", async () => {
    await meets(away, byKey(cells.own), 503, "error");
    await meets(away, byKey(cells.own, v2), 503, [[0, 1]]);
  });
});

describe("what is no HTTP", () => {
  it.each(neverHttp)("is answered: %s", (_, send, status, says) =>
    meets(api, send(), status, says),
  );
});

describe("a request that doesn't end", () => {
  const half: Case[] = [
    ["half a body", () => framed("Content-Length: 99", "half"), 408, "error"],
    [
      "half a body, version 2",
      () => framed("Content-Length: 99", "half", v2.headers),
      408,
      [[0, 1]],
    ],
    ["half a chunk", () => framed(chunkedTransfer, "9\r\nhalf"), 408, "error"],
    ["half a head", () => "POST /api/sensor/ HTTP/1.1\r\nContent-Ty", 408, "problem"],
    ["nothing at all", () => "", 408, "problem"],
  ];

  it.each(half)("is answered in time: %s", (_, send, status, says) =>
    meets(impatient, send(), status, says),
  );
});

describe("a server in trouble", () => {
  it("answers 500 within a node's room, and keeps the upload", async () => {
    const body = measurement(1);
    const kept = await quarantinedBy(broken.db, async () => {
      await meets(broken, upload(body), 500, "error");
      await meets(broken, upload(repeated(1, 20, 5), v2), 500, [[0, 1]]);
    });
    expect(kept.map(({ code }) => code)).toEqual(["internal_error", "internal_error"]);
    expect(kept[0]!.body).toEqual(Buffer.from(body));
  });

  it("answers 503 within a node's room while the database is away", async () => {
    await meets(away, upload(measurement(1)), 503, "error");
    await meets(away, upload(undecodable), 503, "error");
    await meets(away, upload(repeated(1, 20, 5), v2), 503, [[0, 1]]);
  });

  it("takes what comes over a connection that was made before it began to close", async () => {
    const app = buildServer(testDeps(api.db, () => api.now));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const connected = once(app.server, "connection");
    const connection = dial({ app });
    await connected;
    const closed = app.close();
    await expect.poll(() => app.server.listening).toBe(false);
    connection.send(upload(measurement(cells.open)));
    expectAnswer(await connection.answer(), 200, "success");
    await Promise.all([connection.closed, closed]);
  });
});

describe("GET /api/", () => {
  it.each(asked)("is answered: %s", (_, send, status, says) => meets(api, send(), status, says));

  it("is answered while the database is away", () =>
    meets(away, "GET /api/ HTTP/1.1\r\n\r\n", 200, "json"));

  it("has a head for HEAD", async () => {
    const connection = dial(api);
    connection.send("HEAD /api/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    const answer = await connection.answer("HEAD");
    await connection.closed;
    expect([answer.status, connection.rest.length]).toEqual([200, 0]);
    expect(valuesOf(answer, "content-length")).toEqual(["30"]);
  });
});

describe("GET /readyz", () => {
  const asNode = "GET /readyz HTTP/1.1\r\nContent-Type: application/octet-stream\r\n\r\n";

  it("is answered, also to a node", () => meets(api, asNode, 200, "json"));

  it("is answered while the database is away", () => meets(away, asNode, 503, "json"));
});

describe("one connection", () => {
  it("takes a hundred uploads, one after the other", async () => {
    const cellId = await newCell(api);
    const connection = dial(api);
    const added = await rowsAdded(api.db, async () => {
      for (let at = 0; at < 100; at++) {
        connection.send(keptAlive(flow(cellId, at)));
        expectAnswer(await connection.answer(), 200, "success");
      }
    });
    connection.hangUp();
    expect(added).toEqual({ sensor: 1, reading: 100, logger_sighting: 1 });
  });

  it("takes a hundred uploads at once, and answers them in order", async () => {
    const cellId = await newCell(api);
    const connection = dial(api);
    const sent = Array.from({ length: 100 }, (_, at) =>
      keptAlive(at % 2 === 0 ? flow(cellId, at) : undecodable),
    );
    const added = await rowsAdded(api.db, async () => {
      connection.send(Buffer.concat(sent));
      for (let at = 0; at < 100; at++) {
        const { status } = await connection.answer();
        expect(status).toBe(at % 2 === 0 ? 200 : 400);
      }
    });
    connection.hangUp();
    expect(added).toEqual({ sensor: 1, reading: 50, logger_sighting: 1, quarantine: 50 });
  });

  it("is answered after a refusal", async () => {
    const connection = dial(api);
    for (const [body, status, says] of [
      [undecodable, 400, "error"],
      [measurement(cells.open), 200, "success"],
    ] as const) {
      connection.send(keptAlive(body));
      expectAnswer(await connection.answer(), status, says);
    }
    connection.hangUp();
  });
});

function keptAlive(body: Uint8Array): Buffer {
  const type = "Content-Type: application/octet-stream";
  return request(
    `POST /api/sensor/ HTTP/1.1\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
    body,
  );
}

function flow(cellId: number, at: number): Uint8Array {
  const meta = { cellId, loggerId: 1, ts: ts + at };
  return encodeVersion1(meta, { case: "yfs210c", value: { flow: at } });
}

function loraWan(cellId: number): Uint8Array {
  return Buffer.from(
    JSON.stringify(webhook({ f_port: 1, frm_payload: base64(measurement(cellId)) })),
  );
}

function dial({ app }: { readonly app: FastifyInstance }): RawConnection {
  return new RawConnection((app.server.address() as AddressInfo).port);
}

/** Sends a request over a connection of its own and expects an answer that a node can read. */
async function meets(
  server: { readonly app: FastifyInstance },
  sent: Uint8Array | string,
  status: number,
  says: Says,
): Promise<void> {
  const connection = dial(server);
  connection.send(sent);
  const answer = await connection.answer();
  expectAnswer(answer, status, says);
  if (valuesOf(answer, "connection").includes("close")) await connection.closed;
  else {
    expect(Buffer.from(sent).includes("Connection: close")).toBe(false);
    connection.hangUp();
  }
  expect(connection.rest).toEqual(Buffer.alloc(0));
}

function expectAnswer(answer: RawAnswer, status: number, says: Says): void {
  expect([answer.status, read(answer, says)]).toEqual([status, says]);
  expect(answer.body.length).toBeLessThanOrEqual(room);
  expectFramed(answer);
}

/** One length that is right, no other framing, few headers, and all of it at once. */
function expectFramed(answer: RawAnswer): void {
  expect(valuesOf(answer, "content-length")).toEqual([String(answer.body.length)]);
  expect(valuesOf(answer, "transfer-encoding")).toEqual([]);
  expect(valuesOf(answer, "content-encoding")).toEqual([]);
  expect(answer.headSize).toBeLessThanOrEqual(300);
  expect(answer.inOnePacket).toBe(true);
}

/** Reads a body as whoever asked does. */
function read(answer: RawAnswer, as: Says): Says {
  const [type] = valuesOf(answer, "content-type");
  if (as === "json") {
    expect(type).toMatch(/^application\/json\b/);
    return typeof JSON.parse(answer.body.toString()) === "object" ? "json" : [];
  }
  if (as === "problem") {
    expect(type).toBe("application/problem+json");
    const title = STATUS_CODES[answer.status];
    const said = {
      type: "about:blank",
      title,
      status: answer.status,
      detail: title,
      message: title,
    };
    expect(JSON.parse(answer.body.toString())).toMatchObject(said);
    return "problem";
  }
  expect(type).toBe("application/octet-stream");
  if (typeof as !== "string") return decodeVerdicts(answer.body);
  return fromBinary(ResponseSchema, answer.body).resp === 0 ? "success" : "error";
}
