import { connect as connectTo } from "node:net";
import type { Import } from "@ents-backend/schemas/import";
import type { Task } from "@ents-backend/schemas/task";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { setMember } from "../../src/store/members.ts";
import type { Bell } from "../../src/tasks/bell.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { openKinds } from "../../src/tasks/kinds.ts";
import { Worker } from "../../src/tasks/worker.ts";
import { useApi } from "../support/api.ts";
import { holdReading } from "../support/held-reading.ts";
import { silentLog as log } from "../support/log.ts";
import { reading } from "../support/new-readings.ts";
import { rowsAdded } from "../support/rows.ts";
import { countFiles } from "../support/tasks.ts";
import { newUser, type TestUser } from "../support/users.ts";
import { writeReadings } from "../support/write-readings.ts";

const most_bytes = 300_000;
let bell: Bell;
const api = useApi(undefined, ({ db, settings }) => {
  bell = openBell({ db, url: api.databaseUrl }, { redisUrl: undefined, log });
  return {
    bell,
    settings: { ...settings, importMax_bytes: most_bytes, resultsMax_bytes: 20_000_000 },
  };
});

let worker: Worker;
beforeAll(() => {
  const { db } = api;
  const kinds = openKinds({ db, clock: () => api.now });
  worker = new Worker({ db, bell, kinds, log, name: "test", atOnce: 2 });
  worker.start();
});
afterAll(async () => await worker.stop());

const start = 1_700_000_000;
const oneFile = { "a.csv": "x" };
const numbered = (count: number): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, "x"]));

describe("/api/imports", () => {
  it("takes one form of a user at a time", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const files = { "a.csv": sdCard("BME280_TEMP", await makeCell(ada), [1]) };
    const lock = await api.db.startTransaction().execute();
    // The first one waits for its file's place.
    await sql`lock table file in share row exclusive mode`.execute(lock);
    const answers: number[] = [];
    const sent = [ada, ada, ada, bob].map(async (who) => {
      answers.push((await send(who, files, {})).statusCode);
    });
    await expect.poll(() => answers, { timeout: 10_000, interval: 20 }).toEqual([429, 429]);
    await lock.rollback().execute();
    await Promise.all(sent);
    expect(answers).toEqual([429, 429, 202, 202]);
    expect((await send(ada, files, {})).statusCode).toBe(202);
  });

  it("takes files, says what they hold, and imports them when it is told to", async () => {
    const ada = await newUser(api);
    const cellId = await makeCell(ada);
    const files = {
      "a.csv": sdCard("POWER_VOLTAGE", cellId, [1, 2]),
      "b.csv": sdCard("BME280_TEMP", cellId, [3]),
    };
    let id = "";
    const seen = await rowsAdded(api.db, async () => {
      const response = await send(ada, files, { logger: "12" });
      expect(response.statusCode, response.body).toBe(202);
      ({ id } = response.json<Import>());
      expect(response.headers.location).toBe(`/api/imports/${id}`);
      expect(await until(ada, id, "preview", "SUCCESS")).toMatchObject({
        run: null,
        report: {
          readings: { new: 3, repeated: 0, conflicting: 0 },
          files: [{ name: "a.csv", format: "sd-card" }, { name: "b.csv" }],
          cells: [{ id: cellId, problem: null }],
          loggers: [{ id: 12, readings: 3 }],
          gaps: { filled: 1, longest: [{ name: "POWER_VOLTAGE", readings: 2 }] },
        },
      });
    });
    expect(seen).toEqual({});
    const done = await rowsAdded(api.db, async () => {
      expect((await call(ada, "POST", `/api/imports/${id}/run`)).statusCode).toBe(202);
      const { report } = await until(ada, id, "run", "SUCCESS");
      expect(report).toMatchObject({
        readings: { new: 3, repeated: 0, conflicting: 0 },
        gaps: { filled: 1, longest: [{ name: "POWER_VOLTAGE", readings: 2 }] },
      });
    });
    expect(done).toEqual({ reading: 3, sensor: 3, logger_sighting: 1 });
    // Once more: it is done already.
    const again = await call(ada, "POST", `/api/imports/${id}/run`);
    expect(again.json<Import>().run?.state).toBe("SUCCESS");
  });

  it("is gone when it is deleted, files and all; what was imported stays", async () => {
    const ada = await newUser(api);
    const cellId = await makeCell(ada);
    const before = await countFiles(api.db);
    const id = (await send(ada, { "a.csv": sdCard("BME280_TEMP", cellId, [1]) })).json<Import>().id;
    await until(ada, id, "preview", "SUCCESS");
    await call(ada, "POST", `/api/imports/${id}/run`);
    await until(ada, id, "run", "SUCCESS");
    const gone = await rowsAdded(api.db, async () => {
      expect((await call(ada, "DELETE", `/api/imports/${id}`)).statusCode).toBe(200);
    });
    expect(gone).toEqual({});
    await untilCounted(before);
    expect((await call(ada, "GET", `/api/imports/${id}`)).statusCode).toBe(404);
  });

  it("is gone with the task of its preview; files go with the last preview of them", async () => {
    const ada = await newUser(api);
    const files = { "a.csv": sdCard("BME280_TEMP", await makeCell(ada), [1]) };
    const before = await countFiles(api.db);
    const { id, preview } = (await send(ada, files)).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    const { params } = preview;
    const again = await call(ada, "POST", "/api/tasks", { kind: "import-preview", params });
    const { id: second } = again.json<{ id: string }>();
    await until(ada, second, "preview", "SUCCESS");
    expect((await call(ada, "DELETE", `/api/tasks/${id}`)).statusCode).toBe(200);
    expect((await call(ada, "POST", `/api/imports/${second}/run`)).statusCode).toBe(202);
    await until(ada, second, "run", "SUCCESS");
    expect((await call(ada, "DELETE", `/api/tasks/${second}`)).statusCode).toBe(200);
    await untilCounted(before);
  });

  it("goes on when the task of its preview is deleted meanwhile", async () => {
    const ada = await newUser(api);
    const files = { "a.csv": sdCard("BME280_TEMP", await makeCell(ada), [1]) };
    const { id } = (await send(ada, files)).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    const lock = await api.db.startTransaction().execute();
    await sql`lock table reading in access exclusive mode`.execute(lock);
    const { run } = (await call(ada, "POST", `/api/imports/${id}/run`)).json<Import>();
    const now = async () => (await call(ada, "GET", `/api/tasks/${run!.id}`)).json<Task>();
    const options = { timeout: 25_000, interval: 50 };
    await expect.poll(async () => (await now()).doing, options).toMatch(/^reading/);
    expect((await call(ada, "DELETE", `/api/tasks/${id}`)).statusCode).toBe(200);
    await lock.rollback().execute();
    await expect.poll(async () => (await now()).state, options).toBe("SUCCESS");
    expect((await now()).result).toMatchObject({ readings: { new: 1 } });
  });

  it("goes on when the database cuts the connection that it stores by", async () => {
    const ada = await newUser(api);
    const cellId = await makeCell(ada);
    const values = [1, 2, 3, 4];
    const { id } = (
      await send(ada, { "a.csv": sdCard("BME280_TEMP", cellId, values) })
    ).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    await writeReadings(api.db, [reading(cellId, { ts: start + 2400, value: 5 })]);
    const held = await holdReading(api.db, cellId, start + 1800);
    await call(ada, "POST", `/api/imports/${id}/run`);
    await held.cutWhoWaits();
    await until(ada, id, "run", "PENDING");
    expect(await storedValues(cellId)).toEqual([1, 2, 3, 5]);
    await held.release();
    const { run, report } = await until(ada, id, "run", "SUCCESS");
    expect(run).toMatchObject({ attempts: 2 });
    const readings = { new: 1, repeated: 3, conflicting: 0 };
    expect(report).toMatchObject({ finished: true, readings });
    expect(await storedValues(cellId)).toEqual([...values, 5]);
  });

  it("has no report of a run that was stopped, and one again of the next", async () => {
    const ada = await newUser(api);
    const files = { "a.csv": sdCard("BME280_TEMP", await makeCell(ada), [1]) };
    const { id } = (await send(ada, files)).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    const lock = await api.db.startTransaction().execute();
    await sql`lock table reading in access exclusive mode`.execute(lock);
    const { run, report } = (await call(ada, "POST", `/api/imports/${id}/run`)).json<Import>();
    expect(report).toMatchObject({ readings: { new: 1 } });
    expect((await call(ada, "DELETE", `/api/tasks/${run!.id}`)).statusCode).toBe(200);
    expect(await until(ada, id, "run", "REVOKED")).toMatchObject({ report: null });
    await lock.rollback().execute();
    expect((await call(ada, "POST", `/api/imports/${id}/run`)).statusCode).toBe(202);
    expect(await until(ada, id, "run", "SUCCESS")).toMatchObject({ report: { finished: true } });
  });

  it("runs once, also when it is told to twice at the same moment", async () => {
    const ada = await newUser(api);
    const files = { "a.csv": sdCard("BME280_TEMP", await makeCell(ada), [1, 2, 3]) };
    const { id } = (await send(ada, files)).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    const told = [1, 2, 3].map(() => call(ada, "POST", `/api/imports/${id}/run`));
    const answers = await Promise.all(told);
    const runs = answers.map((answer) => answer.json<Import>().run?.id);
    expect([new Set(runs).size, answers.map(({ statusCode }) => statusCode)]).toEqual([
      1,
      [202, 202, 202],
    ]);
    const { report } = await until(ada, id, "run", "SUCCESS");
    expect(report).toMatchObject({ readings: { new: 3, repeated: 0 } });
    await api.db.deleteFrom("cell").where("user_id", "=", ada.id).execute();
    const again = await call(ada, "POST", `/api/imports/${id}/run`);
    expect([again.statusCode, again.json<Import>().run?.state]).toEqual([202, "SUCCESS"]);
  });

  it("reads any table by a mapping", async () => {
    const ada = await newUser(api);
    const cellId = await makeCell(ada);
    const mapping = { time: { column: "Date" }, values: [{ column: "T", sensor: "BME280_TEMP" }] };
    const fields = { cell: String(cellId), mapping: JSON.stringify(mapping) };
    const files = { "t.csv": "Date,T\n2023-07-01,1.5\n2023-07-02,x\n" };
    const { id } = (await send(ada, files, fields)).json<Import>();
    const { report } = await until(ada, id, "preview", "SUCCESS");
    expect(report).toMatchObject({
      readings: { new: 1 },
      wrong: [{ file: "t.csv", line: 3, reason: 'T: "x" is not a number' }],
    });
  });

  it("takes a mapping that is sent as a file, with a byte order mark too, and none that is endless", async () => {
    const ada = await newUser(api);
    const before = await countFiles(api.db);
    const cellId = await makeCell(ada);
    const mapping = { time: { column: "Date" }, values: [{ column: "T", sensor: "BME280_TEMP" }] };
    const files = { "t.csv": "Date,T\n2023-07-01,1.5\n" };
    const fields = { cell: String(cellId) };
    const endless = await send(ada, files, fields, {}, withMapping("x".repeat(270_000)));
    expect([endless.statusCode, endless.json()]).toMatchObject([400, { code: "invalid_field" }]);
    expect(await countFiles(api.db)).toEqual(before);
    const { id } = (
      await send(ada, files, fields, {}, withMapping(`\uFEFF${JSON.stringify(mapping)}`))
    ).json<Import>();
    expect((await until(ada, id, "preview", "SUCCESS")).report).toMatchObject({
      files: [{ name: "t.csv" }],
      readings: { new: 1 },
    });
  });

  it("says why files can't be read", async () => {
    const ada = await newUser(api);
    const { id } = (await send(ada, { "x.bin": Buffer.from([0, 1, 2]) })).json<Import>();
    const { preview, report } = await until(ada, id, "preview", "FAILURE");
    expect(preview.error).toMatchObject({ code: "unknown_file", message: /^x\.bin is no file/ });
    expect(report).toBeNull();
    const run = await call(ada, "POST", `/api/imports/${id}/run`);
    expect([run.statusCode, run.json()]).toMatchObject([409, { code: "not_previewed" }]);
  });

  it("is its owner's alone", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const cellId = await makeCell(ada);
    const { id } = (
      await send(ada, { "a.csv": sdCard("BME280_TEMP", cellId, [1]) })
    ).json<Import>();
    await until(ada, id, "preview", "SUCCESS");
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/run"],
      ["DELETE", ""],
    ] as const)
      expect((await call(bob, method, `/api/imports/${id}${path}`)).statusCode).toBe(404);
    const own = (await call(ada, "GET", `/api/imports/${id}`)).json<Import>();
    const { files } = own.preview.params as { files: string[] };
    const stolen = await call(bob, "POST", "/api/tasks", {
      kind: "import-preview",
      params: { files },
    });
    expect([stolen.statusCode, stolen.json()]).toMatchObject([404, { code: "files_gone" }]);
  });

  it("needs a role on each cell, when it is sent and when it is run", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const [open, hidden] = [await makeCell(ada), await makeCell(ada, "private")];
    const before = await countFiles(api.db);
    for (const [cell, status] of [
      [open, 403],
      [hidden, 404],
      [987_654, 404],
    ] as const) {
      const response = await send(
        bob,
        { "a.csv": sdCard("BME280_TEMP", 1, [1]) },
        { cell: String(cell) },
      );
      expect([response.statusCode, response.json()]).toMatchObject([
        status,
        { code: "cells_refused" },
      ]);
    }
    expect(await countFiles(api.db)).toEqual(before);
    const { id } = (
      await send(bob, { "a.csv": sdCard("BME280_TEMP", hidden, [1]) })
    ).json<Import>();
    const { report } = await until(bob, id, "preview", "SUCCESS");
    expect(report?.cells).toMatchObject([{ name: null, problem: /no such cell/ }]);
    expect((await call(bob, "POST", `/api/imports/${id}/run`)).statusCode).toBe(404);
    await setMember(api.db, hidden, bob.id, "viewer");
    expect((await call(bob, "POST", `/api/imports/${id}/run`)).statusCode).toBe(403);
    await setMember(api.db, hidden, bob.id, "editor");
    expect((await call(bob, "POST", `/api/imports/${id}/run`)).statusCode).toBe(202);
    await until(bob, id, "run", "SUCCESS");
  });

  it.each([
    ["another media type", 415, "ctp_invalid_media_type", {}, "", { "content-type": "text/csv" }],
    ["no file", 400, "no_files", {}, undefined, {}],
    ["a cell that is no number", 400, "invalid_field", { cell: "here" }, "x", {}],
    ["a mapping that is no JSON", 400, "invalid_field", { mapping: "{" }, "x", {}],
    ["a mapping that makes no sense", 400, "invalid_field", { mapping: "{}" }, "x", {}],
    ["a field that nobody knows", 400, "invalid_field", { colour: "red" }, "x", {}],
    ["more than it takes", 413, "import_too_large", {}, "x".repeat(most_bytes + 1), {}],
    ["far more than it takes", 413, "import_too_large", {}, "x".repeat(most_bytes + 1_100_000), {}],
  ] as const)("refuses %s, and keeps nothing", async (_, status, code, fields, file, headers) => {
    const ada = await newUser(api);
    const before = await countFiles(api.db);
    const files = file === undefined ? {} : { "a.csv": "x", "b.csv": file };
    const response = await send(ada, files, fields, headers);
    expect([response.statusCode, response.json()]).toMatchObject([status, { code }]);
    expect(await countFiles(api.db)).toEqual(before);
  });

  it.each([
    ["breaks off", oneFile, {}, (body: Buffer) => body.subarray(0, -12), 400, "broken_form"],
    ["is none", oneFile, {}, () => Buffer.from("no form at all"), 400, "broken_form"],
    ["has too many fields", oneFile, numbered(21), undefined, 413, "form_too_large"],
    ["has too many files", numbered(101), {}, undefined, 413, "form_too_large"],
    ["has a field that isn't known", oneFile, { cel: "1" }, undefined, 400, "invalid_field"],
  ])("says so where a form %s, and keeps nothing", async (...row) => {
    const [, files, fields, change, status, code] = row;
    const ada = await newUser(api);
    const before = await countFiles(api.db);
    const added = await rowsAdded(api.db, async () => {
      const response = await send(ada, files, fields, {}, change);
      expect([response.statusCode, response.json()]).toMatchObject([status, { code }]);
    });
    expect([added, await countFiles(api.db)]).toEqual([{}, before]);
  });

  it("keeps nothing of what breaks off", async () => {
    const ada = await newUser(api);
    const before = await countFiles(api.db);
    const address = await api.app.listen({ port: 0, host: "127.0.0.1" });
    const { body, type } = form({ "a.csv": "x".repeat(200_000) }, {});
    const socket = connectTo(Number(new URL(address).port), "127.0.0.1");
    const head = `POST /api/imports HTTP/1.1\r\nHost: x\r\nAuthorization: ${ada.headers.authorization}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(head);
    socket.write(body.subarray(0, 150_000));
    const count = async () => (await countFiles(api.db)).files - before.files;
    await expect.poll(count, { timeout: 10_000, interval: 20 }).toBe(1);
    socket.destroy();
    await expect.poll(count, { timeout: 10_000, interval: 20 }).toBe(0);
    expect(await countFiles(api.db)).toEqual(before);
  });
});

/** Waits until there are so many files: what isn't kept goes soon. */
async function untilCounted(files: Awaited<ReturnType<typeof countFiles>>): Promise<void> {
  const options = { timeout: 25_000, interval: 50 };
  await expect.poll(async () => await countFiles(api.db), options).toEqual(files);
}

let cells = 0;

async function makeCell({ id }: TestUser, visibility: "public" | "private" = "public") {
  const cell = { name: `sent ${++cells}`, uploadPolicy: "key", userId: id, visibility } as const;
  return (await createCell(api.db, cell)).id;
}

async function storedValues(cellId: number): Promise<(number | null)[]> {
  const { rows } = await sql<{ value: number | null }>`
    select value from reading join sensor on sensor.id = sensor_id where cell_id = ${cellId} order by ts`.execute(
    api.db,
  );
  return rows.map(({ value }) => value);
}

function sdCard(name: string, cellId: number, values: readonly number[]): string {
  const rows = values.map((value, at) => `${start + at * 600},${cellId},3,${value}.000000000\n`);
  return `unix_time (s),cell_id,logger_id,${name}\n${rows.join("")}`;
}

type Contents = Readonly<Record<string, string | Uint8Array>>;

/** A form as browsers send it. Source: RFC 7578. */
function form(files: Contents, fields: Readonly<Record<string, string>>) {
  const boundary = "----boundary";
  const part = (disposition: string, content: string | Uint8Array) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ];
  const parts = [
    ...Object.entries(fields).flatMap(([name, value]) => part(`name="${name}"`, value)),
    ...Object.entries(files).flatMap(([name, content]) =>
      part(`name="file"; filename="${name}"\r\nContent-Type: text/csv`, content),
    ),
  ];
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return { body, type: `multipart/form-data; boundary=${boundary}` };
}

/** A form with a mapping behind its files, as a file itself. */
function withMapping(text: string): (body: Buffer) => Buffer {
  const part = `Content-Disposition: form-data; name="mapping"; filename="m.json"\r\n\r\n${text}`;
  return (body) =>
    Buffer.from(body.toString().replace(/(-+boundary)--\r\n$/, `$1\r\n${part}\r\n$1--\r\n`));
}

async function send(
  user: TestUser,
  files: Contents,
  fields: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
  change: (body: Buffer) => Buffer = (body) => body,
) {
  const { body, type } = form(files, fields);
  return await api.inject({
    method: "POST",
    url: "/api/imports",
    headers: { ...user.headers, "content-type": type, ...headers },
    payload: change(body),
  });
}

async function call(user: TestUser, method: "GET" | "POST" | "DELETE", url: string, body?: object) {
  const { headers } = user;
  return await api.inject({ method, url, headers, ...(body && { payload: body }) });
}

/** Waits until the preview of an import, or its run, is in a state. */
async function until(
  user: TestUser,
  id: string,
  what: "preview" | "run",
  state: string,
): Promise<Import> {
  const look = async () => (await call(user, "GET", `/api/imports/${id}`)).json<Import>();
  const now = async () => (await look())[what]?.state;
  await expect.poll(now, { timeout: 25_000, interval: 50 }).toBe(state);
  return await look();
}
