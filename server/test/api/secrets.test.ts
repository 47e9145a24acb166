import { Writable } from "node:stream";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { sql } from "kysely";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hideKeys, hideSecrets, redactPath } from "../../src/auth/keys.ts";
import { connect, type Db } from "../../src/db/connect.ts";
import { buildServer } from "../../src/resources/server.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { testDeps, testIngest, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog } from "../support/log.ts";
import { RawConnection } from "../support/raw-http.ts";
import { formats } from "../support/uploads.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const broken = useApi();

/** Everything that was logged. */
const lines: string[] = [];
const log = pino(
  { level: "trace" },
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  }),
);

/** Servers that write to that log: one that works, one in trouble, one whose database is away. */
const servers: FastifyInstance[] = [];
let awayDb: Db;
const secrets = { apiKey: "", uploadKey: "", token: "" };
let cellId = 0;

beforeAll(async () => {
  await broken.db.schema.dropTable("reading").cascade().execute();
  awayDb = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
  for (const db of [api.db, broken.db, awayDb]) {
    const app = buildServer({
      ...testDeps(db, () => api.now),
      ingest: testIngest(db, { log }),
      log,
      logger: log,
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    servers.push(app);
  }
  await createSecrets();
});
afterAll(async () => {
  for (const app of servers) await app.close();
  await awayDb.destroy();
});

async function createSecrets(): Promise<void> {
  const { id: userId, headers } = await newUser(api);
  const { id } = await createLogger(api.db, { name: "leaky", userId });
  const post = async (url: string) =>
    (await servers[0]!.inject({ method: "POST", url, headers })).json<Record<string, string>>();
  secrets.uploadKey = (await post(`/api/logger/${id}/upload-key`))["upload_key"]!;
  secrets.apiKey = (await post("/api/apikey/"))["api_key"]!;
  secrets.token = headers.authorization.slice("Bearer ".length);
  cellId = await newCell(api);
}

/** Paths that have the upload key in them, written in all ways that a router may read. */
const paths = [
  "/u/KEY",
  "/u/KEY/",
  "//u//KEY",
  "/%75/KEY",
  "/%2575/KEY",
  "/U/KEY",
  "/u/KEY/abc",
  "/u/KEY?key=KEY",
  "/u/KEY%zz",
  "/u/%zzKEY",
  "/u/x?KEY",
  "/u/KEY#KEY",
  "/api/u/KEY",
  "/api/KEY",
  "/api/sensor/KEY",
  "/api/sensor/?key=KEY",
  "/api/cell/KEY",
  "/KEY",
  `/u/KEY${"x".repeat(100)}`,
  "http://localhost:8000/u/KEY",
];

/** A request as it goes over the wire, with secrets wherever a proxy or a confused user may put them. */
function request(method: string, path: string, type: string, body: string | Buffer): Buffer {
  const url = path.replaceAll("KEY", secrets.uploadKey);
  const head = [
    `${method} ${url} HTTP/1.1`,
    "Host: localhost:8000",
    `Content-Type: ${type}`,
    "Connection: close",
    `X-Api-Key: ${secrets.apiKey}`,
    `Authorization: Bearer ${secrets.token}`,
    `Referer: http://localhost:8000${url}`,
    `X-Original-Uri: ${url}`,
    `X-Forwarded-Access-Token: ${secrets.token}`,
    `X-Key: ${secrets.apiKey}`,
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

async function answerTo(app: FastifyInstance, sent: Buffer): Promise<string> {
  const connection = new RawConnection((app.server.address() as AddressInfo).port);
  connection.send(sent);
  const { headers, body } = await connection.answer();
  connection.hangUp();
  return JSON.stringify(headers) + body.toString("latin1");
}

/** Every row of every table as text. */
async function dump(db: Db): Promise<string> {
  const tables = await db.introspection.getTables();
  const { rows } = await sql<{ schema: string }>`select current_schema() as schema`.execute(db);
  const texts: string[] = [];
  for (const { name } of tables.filter(({ schema }) => schema === rows[0]!.schema)) {
    const table = await sql<{ row: string }>`
      select to_jsonb(t)::text as row from ${sql.table(name)} as t`.execute(db);
    texts.push(name, ...table.rows.map(({ row }) => row));
  }
  return texts.join("\n");
}

describe("keys and tokens", () => {
  it("are in no log, no table and no answer, whatever is done with them", async () => {
    const answers: string[] = [];
    const message = formats["version 1"]({ cellId }).payload;
    for (const app of servers)
      for (const path of paths)
        for (const [method, type, body] of [
          ["POST", "application/octet-stream", message],
          ["POST", "application/octet-stream", "garbage"],
          ["POST", "application/json", "{"],
          ["POST", "text/plain", "?"],
          ["GET", "text/plain", ""],
          ["DELETE", "text/plain", ""],
        ] as const)
          answers.push(await answerTo(app, request(method, path, type, body)));
    const written = {
      lines: lines.join(""),
      tables: await dump(api.db),
      answers: answers.join(""),
    };
    expect(lines.filter((line) => line.includes("quarantine")).length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.includes('"level":50')).length).toBeGreaterThan(5);
    expect(written.tables.match(/"path": "\/u\/…"/g)?.length).toBeGreaterThan(10);
    for (const [what, text] of Object.entries(written))
      for (const [name, secret] of Object.entries(secrets)) {
        const hex = Buffer.from(secret).toString("hex");
        expect([what, name, text.includes(secret), text.includes(hex)]).toEqual([
          what,
          name,
          false,
          false,
        ]);
      }
  });
});

describe("redactPath", () => {
  it.each([
    ["/api/sensor/", "/api/sensor/"],
    ["/api/sensor/?a=b", "/api/sensor/"],
    ["/api/cell/users/7", "/api/cell/users/7"],
    ["/u/AAAAAAAAAAAAAAAAAAAAAA", "/u/…"],
    ["/u/short/abc?x", "/u/…"],
    ["//u///x", "/u/…"],
    ["/%75/x", "/u/…"],
    ["/U/x", "/U/…"],
    ["/api/u/x", "/api/u/…"],
    ["/api/AAAAAAAAAAAAAAAAAAAAAA", "/api/…"],
    [
      "/api/users/6f9619ff-8b86-4011-b42d-00c04fc964ff/cells",
      "/api/users/6f9619ff-8b86-4011-b42d-00c04fc964ff/cells",
    ],
  ])("makes of %s: %s", (url, path) => {
    expect(redactPath(url)).toBe(path);
  });

  it("leaves media types and dates as they are", () => {
    const header = "application/x-www-form-urlencoded; Sat, 08 Jul 2023 20:00:00 GMT";
    expect(hideKeys(header)).toBe(header);
  });
});

describe("a line of the log", () => {
  it("loses the secrets that came into it by mistake", () => {
    const line = `sent twice in "/u/${secrets.uploadKey}" by ${secrets.apiKey}, ${secrets.token}`;
    expect(hideSecrets(line)).toBe('sent twice in "/u/…" by …, …');
  });
});
