import type { FastifyInstance } from "fastify";
import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { Ingest } from "../../src/ingest/ingest.ts";
import { buildServer } from "../../src/resources/server.ts";
import { Memory } from "../../src/ingest/lookup.ts";
import type { Journal } from "../../src/lib/journal.ts";
import { identifySender } from "../../src/http/sender.ts";
import { createCell, deleteCell, updateCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { removeMember, setMember } from "../../src/store/members.ts";
import { updateUser } from "../../src/store/users.ts";
import { probeOf, testDeps, testIngest, useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { filesIn, openJournal, useDirectories } from "../support/journal.ts";
import { newKey } from "../support/keys.ts";
import { silentLog } from "../support/log.ts";
import { decimal, encodeVersion1, encodeVersion2, version2 } from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser, type TestUser } from "../support/users.ts";

const newDirectory = useDirectories();
let directory: string;
let journal: Journal;
let ingest: Ingest;
const api = useApi(undefined, async ({ db, metrics }) => {
  directory = newDirectory();
  journal = await openJournal(directory);
  ingest = new Ingest({
    db,
    journal,
    metrics,
    settings: { defaultUploadPolicy: "key" },
    log: silentLog,
    quarantine: { noteKept: () => {} },
    // However busy the machine is with other tests.
    patience_ms: 20_000,
    identify: async (credentials, receivedAt) =>
      await identifySender({ db }, credentials, receivedAt),
    probe: probeOf(db),
  });
  return { ingest, journal };
});

/** Another program that is connected to the same database. */
let other: Db;
beforeAll(() => {
  other = connect(api.databaseUrl, silentLog);
});
afterAll(async () => {
  await other.destroy();
  await ingest.close();
  await journal.close();
});

/** PostgreSQL refuses readings of this value. */
const poison = 666.25;
beforeAll(async () => {
  await sql`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      raise exception 'poison';
    end $$`.execute(api.db);
  await sql`
    create trigger refuse_poison before insert on reading
    for each row when (new.value = ${sql.lit(poison)}) execute function refuse_poison()`.execute(
    api.db,
  );
});

const ts = 1_705_316_400;

/** A version-1 message of one reading. */
function flow(cellId: number, at = 0, value = 1): Uint8Array {
  const meta = { cellId, loggerId: 1, ts: ts + at };
  return encodeVersion1(meta, { case: "yfs210c", value: { flow: value } });
}

type Headers = Readonly<Record<string, string>>;

async function post(message: Uint8Array, headers: Headers = {}): Promise<number> {
  return (await api.postBytes(message, headers)).statusCode;
}

/** How many transactions stored uploads until now, and how many uploads these were. */
async function countCommits(): Promise<{ commits: number; uploads: number }> {
  const { body } = await api.get("/metrics");
  const valueOf = (name: string) =>
    Number(new RegExp(`^ents_commit_uploads_${name} (\\d+)$`, "m").exec(body)?.[1]);
  return { commits: valueOf("count"), uploads: valueOf("sum") };
}

async function expectJournalUntouched(): Promise<void> {
  expect(journal.depth().records).toBe(0);
  expect(await filesIn(directory)).toEqual([]);
}

describe("uploads that come at once", () => {
  it("are all stored, in fewer transactions than there are uploads", async () => {
    const cellId = await newCell(api);
    const before = await countCommits();
    const added = await rowsAdded(api.db, async () => {
      const statuses = Array.from({ length: 120 }, async (_, at) => await post(flow(cellId, at)));
      expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
    });
    expect(added).toEqual({ sensor: 1, reading: 120, logger_sighting: 1 });
    const after = await countCommits();
    expect(after.uploads - before.uploads).toBe(120);
    expect(after.commits - before.commits).toBeLessThan(60);
    await expectJournalUntouched();
  });

  it("are stored once when they are the same, and none of them conflicts", async () => {
    const cellId = await newCell(api);
    const added = await rowsAdded(api.db, async () => {
      const statuses = Array.from({ length: 40 }, async () => await post(flow(cellId)));
      expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
    });
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1 });
  });

  it.each([
    [1, [0]],
    [2, [1]],
    [41, [0, 17, 40]],
  ])("fail alone: of %d those at %j that PostgreSQL refuses", async (count, poisoned) => {
    const cellId = await newCell(api);
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        const statuses = await Promise.all(
          Array.from({ length: count }, async (_, at) =>
            post(flow(cellId, at, poisoned.includes(at) ? poison : at)),
          ),
        );
        const bad = [...statuses.entries()].filter(([, status]) => status !== 200);
        expect(bad).toEqual(poisoned.map((at) => [at, 500]));
      });
    });
    expect(kept).toHaveLength(poisoned.length);
    const bodies = kept.map(({ body }) => body.toString("hex"));
    const sent = poisoned.map((at) => Buffer.from(flow(cellId, at, poison)).toString("hex"));
    expect(new Set(bodies)).toEqual(new Set(sent));
    expect(kept.every(({ code }) => code === "internal_error")).toBe(true);
    const good = count - poisoned.length;
    // The sensor is made beside the transaction.
    expect(added).toEqual({
      sensor: 1,
      quarantine: poisoned.length,
      ...(good > 0 && { reading: good, logger_sighting: 1 }),
    });
    await expectJournalUntouched();
  });

  it("are refused side by side with good ones, each for its own reason", async () => {
    const cellId = await newCell(api);
    const { id: closed } = await createCell(api.db, { name: randomUUID(), uploadPolicy: "key" });
    const kinds = [
      { message: (at: number) => flow(cellId, at), status: 200 },
      { message: (at: number) => flow(4_000_000_000 + at, at), status: 400, code: "unknown_cell" },
      {
        message: (at: number) => flow(closed, at),
        status: 401,
        code: "upload_key_required",
      },
      { message: () => Buffer.from("ffff", "hex"), status: 400, code: "undecodable" },
      { message: (at: number) => flow(cellId, at, poison), status: 500, code: "internal_error" },
    ];
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        await Promise.all(
          Array.from({ length: 50 }, async (_, at) => {
            const { message, status } = kinds[at % kinds.length]!;
            expect(await post(message(at))).toBe(status);
          }),
        );
      });
    });
    expect(added).toEqual({ sensor: 1, reading: 10, logger_sighting: 1, quarantine: 40 });
    for (const { code } of kinds)
      if (code !== undefined) expect(kept.filter((one) => one.code === code)).toHaveLength(10);
    await expectJournalUntouched();
  });

  it("keep what no text of PostgreSQL can hold in quarantine, and spoil no other", async () => {
    const cellId = await newCell(api);
    const { headers } = await newKey(api, await newUser(api), ["upload", "manage"]);
    const payload = { type: "power", cell: "a\0b", logger: "c\0d", ts: 1, v: 1, i: 1 };
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        const [bad, good] = await Promise.all([
          api.inject({ method: "POST", url: "/api/power/", headers, payload }),
          post(flow(cellId)),
        ]);
        expect([bad.statusCode, good]).toEqual([400, 200]);
      });
    });
    expect(kept).toHaveLength(1);
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1, quarantine: 1 });
  });
});

describe("readings next to nothing", () => {
  it("have a mean", async () => {
    const cellId = await newCell(api);
    for (const [at, value] of [5e-324, 0, 0].entries())
      expect(await post(flow(cellId, at, value))).toBe(200);
    const stream = ["yfs210c", "flow"] as const;
    expect((await readSensor(api, cellId, stream, { resample: "hour" })).data).toEqual([0]);
    const answer = await api.get(
      `/api/readings/?cellId=${cellId}&resample=hour&startTime=0&timestamps=unix`,
    );
    expect(answer.statusCode).toBeLessThan(500);
  });
});

/** Makes changes one after the other, each with an upload after it that is stored or goes to quarantine. */
async function expectSteps(
  upload: () => Promise<number>,
  steps: readonly (readonly [change: () => Promise<unknown>, status: number])[],
): Promise<void> {
  for (const [change, status] of steps) {
    await change();
    const added = await rowsAdded(api.db, async () => expect(await upload()).toBe(status));
    expect(added).toMatchObject(status === 200 ? { reading: 1 } : { quarantine: 1 });
    expect(Object.keys(added)).not.toContain(status === 200 ? "quarantine" : "reading");
  }
}

/** Who changes what uploads are judged by: this program, or another one with plain SQL. */
const hands = [
  ["here", () => api.db],
  ["by another connection", () => other],
] as const;

describe.each(hands)("what is changed %s counts for the very next upload", (_, hand) => {
  let serial = 0;
  const next = () => (serial += 1);
  const run = async (query: ReturnType<typeof sql>) => void (await query.execute(hand()));

  it("a cell's policy", async () => {
    const cellId = await newCell(api);
    await expectSteps(
      async () => await post(flow(cellId, next())),
      [
        [async () => {}, 200],
        [async () => await updateCell(hand(), cellId, { upload_policy: "key" }), 401],
        [async () => await updateCell(hand(), cellId, { upload_policy: "open" }), 200],
        [
          async () => await run(sql`update cell set upload_policy = 'key' where id = ${cellId}`),
          401,
        ],
      ],
    );
  });

  it("a cell's end and its beginning, also for a sensor that it has not had", async () => {
    const { id } = await createCell(api.db, { name: randomUUID(), uploadPolicy: "open" });
    let field = 10;
    const upload = async () => {
      const meta = { cellId: id, loggerId: 1, ts: ts + next() };
      return await post(encodeVersion2([{ meta, type: field, value: decimal(1) }]), version2);
    };
    await expectSteps(upload, [
      [async () => {}, 200],
      [async () => await deleteCell(hand(), id), 400],
      [
        async () =>
          await run(
            sql`insert into cell (id, name, upload_policy) overriding system value values (${id}, ${randomUUID()}, 'open')`,
          ),
        200,
      ],
      [
        async () => {
          field = 11;
          await deleteCell(hand(), id);
        },
        400,
      ],
    ]);
  });

  it("a cell that is deleted while an upload brings it a new sensor", async () => {
    const cellId = await newCell(api);
    expect(await post(flow(cellId))).toBe(200);
    await deleteCell(hand(), cellId);
    const kept = await quarantinedBy(api.db, async () => {
      const meta = { cellId, loggerId: 1, ts };
      const message = encodeVersion2([{ meta, type: 10, value: decimal(1) }]);
      expect(await post(message, version2)).toBe(400);
    });
    expect(kept).toMatchObject([{ code: "unknown_cell" }]);
  });

  it("a role on a cell", async () => {
    const [owner, editor]: TestUser[] = [await newUser(api), await newUser(api)];
    const { id } = await createCell(api.db, {
      name: randomUUID(),
      uploadPolicy: "key",
      userId: owner!.id,
    });
    const userId = editor!.id;
    const { headers } = await newKey(api, editor!, ["upload"]);
    await expectSteps(
      async () => await post(flow(id, next()), headers),
      [
        [async () => {}, 403],
        [async () => await setMember(hand(), id, userId, "editor"), 200],
        [async () => await removeMember(hand(), id, userId), 403],
        [
          async () =>
            await run(
              sql`insert into cell_member (cell_id, account_id, role) values (${id}, ${userId}, 'editor')`,
            ),
          200,
        ],
        [async () => await setMember(hand(), id, userId, "viewer"), 403],
        [async () => await run(sql`update cell set user_id = ${userId} where id = ${id}`), 200],
      ],
    );
  });

  it("a logger, by which water content is a fraction or percent", async () => {
    const cellId = await newCell(api);
    const { id: loggerId } = await createLogger(api.db, { name: randomUUID() });
    await run(sql`delete from logger where id = ${loggerId}`);
    const store = async (value?: number) => await storeWater(cellId, loggerId, ts + next(), value);
    const set = (unit: string) => sql`update logger set vwc_unit = ${unit} where id = ${loggerId}`;
    expect(await store()).toBe(50);
    await createLogger(hand(), { id: loggerId, name: randomUUID(), vwcUnit: "percent" });
    expect(await store()).toBe(0.5);
    await run(set("fraction"));
    expect(await store()).toBe(50);
    // Whose percent no number holds has no value.
    expect(await store(1.7e308)).toBeNull();
    await run(set("percent"));
    expect(await store()).toBe(0.5);
    await run(sql`delete from logger where id = ${loggerId}`);
    expect(await store()).toBe(50);
  });

  it("whether a logger is an admin's, whose water content is percent in everyone's cells", async () => {
    const [owner, operator]: TestUser[] = [await newUser(api), await newUser(api)];
    const cell = { name: randomUUID(), uploadPolicy: "open", userId: owner!.id } as const;
    const { id: cellId } = await createCell(api.db, cell);
    const logger = { name: randomUUID(), vwcUnit: "percent", userId: operator!.id } as const;
    const { id: loggerId } = await createLogger(api.db, logger);
    const store = async () => await storeWater(cellId, loggerId, ts + next());
    expect(await store()).toBe(50);
    await updateUser(hand(), operator!.id, { admin: true });
    expect(await store()).toBe(0.5);
    await run(sql`update account set admin = false where id = ${operator!.id}`);
    expect(await store()).toBe(50);
  });
});

/** Stores a water content under a logger's number. @returns what is stored of it, in percent */
async function storeWater(
  cellId: number,
  loggerId: number,
  at: number,
  value = 0.5,
): Promise<number | null> {
  const meta = { cellId, loggerId, ts: at };
  const message = encodeVersion2([{ meta, type: 4, value: decimal(value) }]);
  expect(await post(message, version2)).toBe(200);
  const last = api.db
    .selectFrom("reading")
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select("value")
    .where("cell_id", "=", cellId)
    .orderBy("ts", "desc");
  return (await last.executeTakeFirstOrThrow()).value;
}

describe("what is remembered of cells and loggers", () => {
  it("is the same for who asks while it is being looked up", async () => {
    const cellId = await newCell(api);
    const { id } = await createLogger(api.db, { name: randomUUID() });
    const memory = new Memory(api.db);
    const cells = [1, 2, 3].map(async () => await memory.cells([cellId], []));
    const loggers = [1, 2, 3].map(async () => await memory.loggers([id], []));
    const found = (await Promise.all([...cells, ...loggers])).map((rows) =>
      rows.map((row) => row.id),
    );
    expect(found).toEqual([[cellId], [cellId], [cellId], [id], [id], [id]]);
  });

  it("is that a logger isn't there, and not that a cell isn't", async () => {
    const memory = new Memory(api.db);
    const id = 1_000_000;
    expect(await memory.cells([id], [])).toEqual([]);
    expect(await memory.loggers([id], [])).toEqual([]);
    await sql`insert into cell (id, name, upload_policy) overriding system value values (${id}, ${randomUUID()}, 'open')`.execute(
      api.db,
    );
    await createLogger(api.db, { id, name: randomUUID() });
    expect(await memory.cells([id], [])).toHaveLength(1);
    expect(await memory.loggers([id], [])).toEqual([]);
    expect(await memory.version()).not.toBe(await new Memory(api.db).version());
  });
});

async function journalEmpty(): Promise<void> {
  await expect.poll(() => journal.depth().records, { timeout: 15_000 }).toBe(0);
}

/** Does something while whoever wants a table waits; then waits until the journal is empty. */
async function whileLocked(table: "reading" | "quarantine", act: () => Promise<void>) {
  const lock = await other.startTransaction().execute();
  try {
    await sql`lock table ${sql.table(table)} in access exclusive mode`.execute(lock);
    await act();
  } finally {
    await lock.rollback().execute();
  }
  await journalEmpty();
}

describe("a slow database", () => {
  let app: FastifyInstance;
  let hasty: Ingest;
  beforeAll(async () => {
    hasty = testIngest(api.db, { journal, patience_ms: 500 });
    app = buildServer({ ...testDeps(api.db, () => api.now), ingest: hasty });
    await app.ready();
  });
  afterAll(async () => {
    await app.close();
    await hasty.close();
  });

  async function send(payload: Uint8Array): Promise<number> {
    const headers = { "content-type": "application/octet-stream" };
    const body = Buffer.from(payload);
    return (await app.inject({ method: "POST", url: "/api/sensor/", headers, payload: body }))
      .statusCode;
  }

  it("holds up no answer, and has everything once when it goes on", async () => {
    const cellId = await newCell(api);
    // Some of the sensors are remembered, the others are still to be made.
    expect(await send(flow(cellId))).toBe(200);
    await journalEmpty();
    const upload = async (format: keyof typeof formats, at: number) => {
      const began_ms = performance.now();
      const message = formats[format]({ cellId, loggerId: 1, ts: ts + at });
      const answer = await app.inject({ method: "POST", url: "/api/sensor/", ...message });
      return { status: answer.statusCode, took_ms: performance.now() - began_ms };
    };
    const names = Object.keys(formats) as (keyof typeof formats)[];
    const kept = await rowsAdded(api.db, async () => {
      await whileLocked("reading", async () => {
        // The first ones wait for the database, the others no longer do.
        for (const round of [1, 2]) {
          const answers = await Promise.all(
            Array.from({ length: 20 }, async (_, at) =>
              upload(names[at % names.length]!, round * 20 + at),
            ),
          );
          expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
          expect(Math.max(...answers.map(({ took_ms }) => took_ms))).toBeLessThan(1000);
        }
        expect(journal.depth().records).toBe(40);
      });
    });
    expect(kept).toEqual({ sensor: 1, reading: 40 });
    await expect.poll(async () => await filesIn(directory)).toEqual([]);
    expect(await send(flow(cellId, 100))).toBe(200);
    await expectJournalUntouched();
  });

  it("gets what is refused meanwhile once: at once what can't be decoded, the rest when it goes on", async () => {
    const { id: closed } = await createCell(api.db, { name: randomUUID(), uploadPolicy: "key" });
    const kept = await quarantinedBy(api.db, async () => {
      await whileLocked("quarantine", async () => {
        const messages = [Buffer.from("ffff", "hex"), flow(closed), flow(4_000_000_000)];
        const statuses = await Promise.all(messages.map(async (message) => await send(message)));
        expect(statuses).toEqual([400, 200, 200]);
      });
    });
    const codes = kept.map(({ code }) => code);
    expect(codes.sort()).toEqual(["undecodable", "unknown_cell", "upload_key_required"]);
    await expect.poll(async () => await filesIn(directory)).toEqual([]);
  });
});
