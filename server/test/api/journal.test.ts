import { randomUUID } from "node:crypto";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { newUploadKey } from "../../src/auth/keys.ts";
import { connect, type Db } from "../../src/db/connect.ts";
import type { Ingest } from "../../src/ingest/ingest.ts";
import type { Journal } from "../../src/lib/journal.ts";
import { buildServer } from "../../src/resources/server.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { createUploadKey } from "../../src/store/upload-keys.ts";
import { testDeps, testIngest, useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { filesIn, openJournal, useDirectories } from "../support/journal.ts";
import { newKey } from "../support/keys.ts";
import { silentLog } from "../support/log.ts";
import { decodeVerdicts } from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser } from "../support/users.ts";

const newDirectory = useDirectories();
const api = useApi();
const ts = 1_705_316_400;
/** Bytes that a node has room for. */
const room = 222;

/** A database that isn't there. */
let away: Db;
beforeAll(() => {
  away = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
});
afterAll(async () => {
  await away.destroy();
});

interface Server {
  readonly app: FastifyInstance;
  readonly ingest: Ingest;
  readonly journal: Journal;
  stop(): Promise<void>;
}

const running = new Set<Server>();
afterEach(async () => {
  for (const server of running) await server.stop();
});

/** A server that keeps its journal in a directory, as one process does from its start to its end. */
async function start(db: Db, path: string, maxBytes = 2 ** 20): Promise<Server> {
  const journal = await openJournal(path, { maxBytes });
  const ingest = testIngest(db, { journal });
  const app = buildServer({ ...testDeps(db, () => api.now), ingest, journal });
  const server: Server = {
    app,
    ingest,
    journal,
    stop: async () => {
      if (!running.delete(server)) return;
      await app.close();
      await ingest.close();
      await journal.close();
    },
  };
  running.add(server);
  return server;
}

type Format = keyof typeof formats;
type Headers = Readonly<Record<string, string>>;

async function upload(
  { app }: Server,
  message: { readonly headers?: object; readonly payload?: unknown },
  { url = "/api/sensor/", headers = {} }: { url?: string; headers?: Headers } = {},
): Promise<LightMyRequestResponse> {
  return await app.inject({
    method: "POST",
    url,
    payload: message.payload as Buffer,
    headers: { ...message.headers, ...headers },
  });
}

const undecodable = {
  headers: { "content-type": "application/octet-stream" },
  payload: Buffer.from("ffff", "hex"),
};

/** Waits until a server has done what its journal holds. */
async function applied({ journal }: Server, path: string): Promise<void> {
  await expect.poll(() => journal.depth().records, { timeout: 15_000 }).toBe(0);
  expect(await filesIn(path)).toEqual([]);
}

/** Puts the journal of a server that ran without its database to the database. */
async function restart(path: string): Promise<void> {
  const server = await start(api.db, path);
  await applied(server, path);
  await server.stop();
}

async function readingsOf(cellId: number) {
  const rows = await api.db
    .selectFrom("reading")
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select(["ts", "value", "received_at", "reading.logger_id"])
    .where("cell_id", "=", cellId)
    .orderBy("ts")
    .execute();
  return rows.map((row) => ({
    ...row,
    ts: row.ts.getTime() / 1000,
    received_at: row.received_at.getTime() / 1000,
  }));
}

describe("an upload while the database is away", () => {
  it.each(Object.keys(formats) as Format[])(
    "is answered as if it were there, and stored when it is: %s",
    async (format) => {
      const cellId = await newCell(api);
      const path = newDirectory();
      const server = await start(away, path);
      const message = formats[format]({ cellId, loggerId: 5, ts });
      const began_ms = performance.now();
      const answer = await upload(server, message);
      expect(performance.now() - began_ms).toBeLessThan(1000);
      expect(answer.statusCode).toBe(200);
      expect(answer.rawPayload.length).toBeLessThanOrEqual(room);
      expect(answer.headers["content-length"]).toBe(String(answer.rawPayload.length));
      if (format === "version 2") expect(decodeVerdicts(answer.rawPayload)).toEqual([[3, 0]]);
      else expect(answer.rawPayload.toString("hex")).toBe("");
      expect(server.journal.depth().records).toBe(1);
      await server.stop();
      expect(await filesIn(path)).toHaveLength(1);

      const receivedAt = api.now;
      api.now += 7200;
      const added = await rowsAdded(api.db, async () => await restart(path));
      expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1 });
      expect(await readingsOf(cellId)).toEqual([
        { ts, value: 1, received_at: receivedAt, logger_id: 5 },
      ]);
    },
  );

  it("is answered that it can't be decoded, and is in quarantine when the database is there", async () => {
    const path = newDirectory();
    const server = await start(away, path);
    const answer = await upload(server, undecodable);
    expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([400, "0801"]);
    expect(answer.headers["content-length"]).toBe("2");
    expect(server.journal.depth().records).toBe(1);
    await server.stop();
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => await restart(path));
    });
    expect(added).toEqual({ quarantine: 1 });
    expect(kept).toMatchObject([
      { path: "/api/sensor/", code: "undecodable", body: undecodable.payload },
    ]);
  });

  it("is in quarantine once if it has no place, and stored once if it has, however often it is applied", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const unknown = formats["version 1"]({ cellId: 4_000_000_000, ts });
    for (const message of [unknown, formats["version 1"]({ cellId, ts })])
      expect((await upload(server, message)).statusCode).toBe(200);
    await server.stop();
    const copy = newDirectory();
    await cp(path, copy, { recursive: true });

    const receivedAt = api.now;
    api.now += 3600;
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        await restart(path);
        await restart(copy);
      });
    });
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1, quarantine: 1 });
    expect(kept).toMatchObject([{ code: "unknown_cell", body: unknown.payload }]);
    const { received_at } = await api.db
      .selectFrom("quarantine")
      .select("received_at")
      .orderBy("id", "desc")
      .executeTakeFirstOrThrow();
    expect(received_at.getTime() / 1000).toBe(receivedAt);
  });

  it("keeps its order: of two values for one instant the first stays", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const json = (flow: number) => ({
      headers: {},
      payload: { type: "yfs210c", cellId, loggerId: 1, ts, data: { flow } },
    });
    for (const value of [3, 4]) expect((await upload(server, json(value))).statusCode).toBe(200);
    await server.stop();
    const added = await rowsAdded(api.db, async () => await restart(path));
    expect(added).toMatchObject({ reading: 1, reading_conflict: 1 });
    expect(await readingsOf(cellId)).toMatchObject([{ value: 3 }]);
  });

  it("comes with a thousand others, and none is lost", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, async (_, at) => {
        const message = formats["version 1"]({ cellId, ts: ts + at });
        return (await upload(server, message)).statusCode;
      }),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(server.journal.depth().records).toBe(1000);
    await server.stop();
    const added = await rowsAdded(api.db, async () => await restart(path));
    expect(added).toEqual({ sensor: 1, reading: 1000, logger_sighting: 1 });
  });

  it.each([
    ["full", async (path: string) => await start(away, path, 10)],
    [
      "unwritable",
      async (path: string) => {
        const server = await start(away, path);
        // Nothing can be made where a file stands in the directory's place.
        await rm(path, { recursive: true });
        await writeFile(path, "");
        return server;
      },
    ],
  ])("is refused, to be sent again, when the journal is %s", async (_, begin) => {
    const cellId = await newCell(api);
    const server = await begin(newDirectory());
    for (const message of [formats["version 1"]({ cellId }), undecodable]) {
      const answer = await upload(server, message);
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([503, "0801"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      expect(answer.headers["content-length"]).toBe("2");
    }
    const answer = await upload(server, formats["plain JSON"]({ cellId }));
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({ code: expect.stringMatching(/^journal_/) as string });
    expect(server.journal.depth().records).toBe(0);
  });
});

/** A cell that wants a key; who may upload to it, by whatever they may show. */
async function closedCell() {
  const owner = await newUser(api);
  const { id: cellId } = await createCell(api.db, {
    name: randomUUID(),
    uploadPolicy: "key",
    userId: owner.id,
  });
  const { headers } = await newKey(api, owner, ["upload"]);
  const { id: loggerId } = await createLogger(api.db, { name: randomUUID(), userId: owner.id });
  const uploadKey = newUploadKey();
  await api.db.transaction().execute(async (transaction) => {
    await createUploadKey(transaction, loggerId, uploadKey, api.now, 0);
  });
  const apiKey = headers["x-api-key"];
  const token = owner.headers.authorization.slice("Bearer ".length);
  return { cellId, owner, loggerId, apiKey, uploadKey, token };
}

type Closed = Awaited<ReturnType<typeof closedCell>>;

/** What may be shown, and how it ends. */
const credentials: [
  name: string,
  show: (closed: Closed) => { url?: string; headers?: Headers },
  revoke: (closed: Closed) => ReturnType<typeof sql>,
  code: string,
][] = [
  [
    "an API key",
    ({ apiKey }) => ({ headers: { "x-api-key": apiKey } }),
    ({ owner }) => sql`delete from api_key where account_id = ${owner.id}`,
    "upload_key_required",
  ],
  [
    "an upload key as a header",
    ({ uploadKey }) => ({ headers: { "x-api-key": uploadKey } }),
    ({ loggerId }) => sql`delete from upload_key where logger_id = ${loggerId}`,
    "upload_key_required",
  ],
  [
    "an upload URL",
    ({ uploadKey }) => ({ url: `/u/${uploadKey}` }),
    ({ loggerId }) => sql`delete from upload_key where logger_id = ${loggerId}`,
    "unknown_upload_key",
  ],
  [
    "a token",
    ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
    ({ owner }) => sql`delete from session where account_id = ${owner.id}`,
    "upload_key_required",
  ],
];

describe.each(credentials)(
  "an upload with %s while the database is away",
  (_, show, revoke, code) => {
    async function keepOne(closed: Closed, path: string): Promise<void> {
      const server = await start(away, path);
      const message = formats["version 1"]({ cellId: closed.cellId, ts });
      expect((await upload(server, message, show(closed))).statusCode).toBe(200);
      await server.stop();
    }

    it("is judged by it later, although it is nowhere on the disk", async () => {
      const closed = await closedCell();
      const path = newDirectory();
      await keepOne(closed, path);
      const files = await filesIn(path);
      expect(files).toHaveLength(1);
      const bytes = await readFile(join(path, files[0]!));
      const signature = closed.token.split(".")[2]!;
      for (const secret of [closed.apiKey, closed.uploadKey, closed.token, signature])
        for (const coded of [secret, Buffer.from(secret).toString("base64").replace(/=+$/, "")])
          expect(bytes.includes(coded)).toBe(false);
      // Longer ago than a token is good for.
      api.now += 7200;
      const added = await rowsAdded(api.db, async () => await restart(path));
      expect(added).toMatchObject({ reading: 1 });
      expect(Object.keys(added)).not.toContain("quarantine");
      expect(await readingsOf(closed.cellId)).toMatchObject([{ received_at: api.now - 7200 }]);
    });

    it("is in quarantine when it isn't good any more by then", async () => {
      const closed = await closedCell();
      const path = newDirectory();
      await keepOne(closed, path);
      await revoke(closed).execute(api.db);
      let added = {};
      const kept = await quarantinedBy(api.db, async () => {
        added = await rowsAdded(api.db, async () => await restart(path));
      });
      expect(added).toEqual({ quarantine: 1 });
      expect(kept).toMatchObject([{ code }]);
      const secrets = [closed.apiKey, closed.uploadKey, closed.token];
      for (const secret of secrets) expect(JSON.stringify(kept)).not.toContain(secret);
    });
  },
);

describe("an upload with a key that ends", () => {
  it("is judged by when it came, whatever comes out of the journal beside it", async () => {
    const closed = await closedCell();
    const path = newDirectory();
    const server = await start(away, path);
    const ends = api.now + 100;
    await sql`update upload_key set expires_at = to_timestamp(${ends}) where logger_id = ${closed.loggerId}`.execute(
      api.db,
    );
    for (const [at, later_s] of [0, 99, 101].entries()) {
      api.now = ends - 100 + later_s;
      const message = formats["version 1"]({ cellId: closed.cellId, ts: ts + at });
      const shown = { headers: { "x-api-key": closed.uploadKey } };
      expect((await upload(server, message, shown)).statusCode).toBe(200);
    }
    await server.stop();
    const kept = await quarantinedBy(api.db, async () => await restart(path));
    expect(kept).toMatchObject([{ code: "upload_key_required" }]);
    expect((await readingsOf(closed.cellId)).map((row) => row.ts)).toEqual([ts, ts + 1]);
  });
});

describe("a database that comes back", () => {
  it("gets uploads itself again once it has what was kept meanwhile", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const name = `gone_${randomUUID().replaceAll("-", "")}`;
    // PostgreSQL lets a role in, or not, when the test says so.
    const url = new URL(api.databaseUrl);
    const role = sql.id(name);
    await sql`create role ${role} login superuser password 'x'`.execute(api.db);
    url.username = name;
    url.password = "x";
    const db = connect(url.href, silentLog);
    try {
      const server = await start(db, path);
      const send = async (at: number) =>
        (await upload(server, formats["version 1"]({ cellId, ts: ts + at }))).statusCode;
      const added = await rowsAdded(api.db, async () => {
        expect(await send(0)).toBe(200);
        await sql`alter role ${role} connection limit 0`.execute(api.db);
        await sql`alter role ${role} nosuperuser`.execute(api.db);
        await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${name}`.execute(
          api.db,
        );
        const statuses = await Promise.all([1, 2, 3].map(send));
        expect(statuses).toEqual([200, 200, 200]);
        expect(server.journal.depth().records).toBe(3);
        await sql`alter role ${role} superuser connection limit -1`.execute(api.db);
        await applied(server, path);
        expect(await send(4)).toBe(200);
        expect(server.journal.depth().records).toBe(0);
      });
      expect(added).toEqual({ sensor: 1, reading: 5, logger_sighting: 1 });
      await server.stop();
    } finally {
      await db.destroy();
      await sql`drop role ${role}`.execute(api.db);
    }
  });
});

/** The same database, as a standby or a server whose disk is nearly full offers it. */
function readOnly(): Db {
  const url = new URL(api.databaseUrl);
  const options = `${url.searchParams.get("options")} -c default_transaction_read_only=on`;
  url.searchParams.set("options", options);
  return connect(url.href, silentLog);
}

describe("a database that takes nothing", () => {
  it("gets what came meanwhile when it does, be it good or not, and nothing is forgotten before", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const db = readOnly();
    const server = await start(db, path);
    let added = await rowsAdded(api.db, async () => {
      const messages = [1, 2].map((at) => formats["version 1"]({ cellId, ts: ts + at }));
      for (const message of [...messages, formats["version 1"]({ cellId: 4_000_000_000 })])
        expect((await upload(server, message)).statusCode).toBe(200);
      expect((await upload(server, undecodable)).statusCode).toBe(400);
      // It is tried in vain at once, and when the server ends.
      await expect
        .poll(async () => (await filesIn(path)).join(), { timeout: 10_000 })
        .toContain("taken");
      await server.stop();
    });
    expect(added).toEqual({});
    await db.destroy();
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => await restart(path));
    });
    expect(added).toEqual({ sensor: 1, reading: 2, logger_sighting: 1, quarantine: 2 });
    expect(kept.map(({ code }) => code)).toEqual(["unknown_cell", "undecodable"]);
  });
});

describe("an upload of the journal that PostgreSQL refuses", () => {
  it("is in quarantine, and keeps none of the others", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    for (const at of [1, 2, 3, 4, 5]) {
      const message = formats["version 1"]({ cellId, ts: ts + at });
      expect((await upload(server, message)).statusCode).toBe(200);
    }
    await server.stop();
    await sql`
      create function refuse() returns trigger language plpgsql as $$
      begin
        raise exception 'no';
      end $$`.execute(api.db);
    await sql`
      create trigger refuse before insert on reading
      for each row when (new.ts = to_timestamp(${sql.lit(ts + 3)})) execute function refuse()`.execute(
      api.db,
    );
    const kept = await quarantinedBy(api.db, async () => await restart(path));
    await sql`drop trigger refuse on reading`.execute(api.db);
    expect(kept).toMatchObject([{ code: "internal_error" }]);
    expect((await readingsOf(cellId)).map((row) => row.ts - ts)).toEqual([1, 2, 4, 5]);
  });
});
