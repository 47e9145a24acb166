import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deleteExpiredTasks } from "../../src/store/tasks.ts";
import { deleteExpiredFiles } from "../../src/store/files.ts";
import type { Bell } from "../../src/tasks/bell.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { Worker } from "../../src/tasks/worker.ts";
import { silentBell, useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { silentLog } from "../support/log.ts";
import { countFiles, testKinds } from "../support/tasks.ts";
import { newUser, type TestUser } from "../support/users.ts";

/** What ids of tasks are rung. */
const rung: string[] = [];
const noting: Bell = { ...silentBell, ring: async ({ id }) => void rung.push(id) };
const quotas = { tasksPerUser: 2, resultsMax_bytes: 1000 };
const api = useApi(undefined, ({ settings }) => ({
  kinds: testKinds,
  bell: noting,
  settings: { ...settings, ...quotas },
}));

let worker: Worker;
let bell: Bell;
beforeAll(() => {
  bell = openBell({ db: api.db, url: api.databaseUrl }, { redisUrl: undefined, log: silentLog });
  worker = new Worker({
    db: api.db,
    bell,
    kinds: testKinds,
    log: silentLog,
    name: "test",
    atOnce: 4,
  });
  worker.start();
});
afterAll(async () => await worker.stop());

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly params: object;
  readonly doing: string | null;
  readonly result: object | null;
  readonly file: { readonly url: string; readonly size: number } | null;
  readonly [key: string]: unknown;
}

async function order(user: TestUser, params: object, kind = "count"): Promise<Shown> {
  const response = await as(api, user).post("/api/tasks", { kind, params });
  expect(response.statusCode, response.body).toBe(202);
  const task = response.json<Shown>();
  expect(response.headers.location).toBe(`/api/tasks/${task.id}`);
  return task;
}

async function look(user: TestUser, id: string): Promise<Shown> {
  return (await as(api, user).get(`/api/tasks/${id}`)).json<Shown>();
}

async function untilState(user: TestUser, id: string, state: string): Promise<Shown> {
  await bell.ring({ id, attempts: 0 });
  const now = async () => (await look(user, id)).state;
  await expect.poll(now, { timeout: 15_000, interval: 20 }).toBe(state);
  return await look(user, id);
}

const endless = { to: 1_000_000, pause_ms: 20 };

describe("a task", () => {
  it("waits, is worked at, and is done, as its asker can see", async () => {
    const ada = await newUser(api);
    const asked = await order(ada, { to: 40, pause_ms: 20 });
    expect(asked).toMatchObject({ kind: "count", state: "PENDING", progress: 0, attempts: 0 });
    expect(asked).toMatchObject({ started_at: null, finished_at: null, result: null, error: null });
    expect(rung).toContain(asked.id);
    const started = await untilState(ada, asked.id, "STARTED");
    expect(started).toMatchObject({ attempts: 1, file: null, expires_at: null });
    await expect
      .poll(async () => (await look(ada, asked.id)).doing, { interval: 20, timeout: 5000 })
      .toMatch(/^counting \d+$/);
    const done = await untilState(ada, asked.id, "SUCCESS");
    expect(done).toMatchObject({ progress: 1, doing: null, params: { to: 40, even: false } });
    expect(done.result).toEqual({ lines: 40, bytes: 111 });
    expect(done.file).toMatchObject({
      media_type: "text/plain; charset=utf-8",
      size: 111,
      url: `/api/tasks/${asked.id}/result`,
    });
    const kept_ms =
      Date.parse(String(done["expires_at"])) - Date.parse(String(done["finished_at"]));
    expect(kept_ms).toBe(7 * 86_400_000);
  });

  it("that fails says why", async () => {
    const ada = await newUser(api);
    const { id } = await order(ada, { to: 3, even: true });
    expect(await untilState(ada, id, "FAILURE")).toMatchObject({
      error: { code: "not_even", message: "3 isn't even" },
      file: null,
    });
    const result = await as(api, ada).get(`/api/tasks/${id}/result`);
    expect(result.statusCode).toBe(409);
    expect(result.json()).toMatchObject({
      code: "task_failed",
      message: "The task failed, and has no result: 3 isn't even",
    });
  });

  it.each([
    [{ kind: "dance", params: {} }, "unknown_kind", /count/],
    [{ kind: "count", params: {} }, "invalid_params", "to is missing"],
    [{ kind: "count", params: { to: "5" } }, "invalid_params", /^to must be integer/],
    [{ kind: "count" }, "invalid_request", "params is missing"],
    [{ kind: "count", params: 5 }, "invalid_request", /params/],
  ])("that can't be read is refused, and says what is wrong: %j", async (body, code, message) => {
    const ada = await newUser(api);
    const response = await as(api, ada).post("/api/tasks", body);
    expect(response.statusCode).toBe(400);
    const problem = response.json<{ code: string; message: string }>();
    expect(problem.code).toBe(code);
    expect(problem.message).toMatch(message);
    expect((await as(api, ada).get("/api/tasks")).json()).toEqual({ tasks: [], next: null });
  });

  it("that isn't theirs to ask for is refused, and one that was an admin's is done while they are one", async () => {
    const [ada, admin] = [await newUser(api), await newUser(api, { admin: true })];
    const refused = await as(api, ada).post("/api/tasks", { kind: "members only", params: {} });
    expect(refused.json()).toMatchObject({ status: 404, code: "nothing_there" });
    const { id } = await order(admin, {}, "members only");
    expect((await untilState(admin, id, "SUCCESS")).result).toEqual({ done: true });
    const late = await order(admin, {}, "members only");
    await sql`update account set admin = false where id = ${admin.id}`.execute(api.db);
    expect(await untilState(admin, late.id, "FAILURE")).toMatchObject({
      error: { code: "nothing_there" },
    });
  });

  it("is its asker's alone, and that of their keys for its kind", async () => {
    const [ada, eve] = [await newUser(api), await newUser(api)];
    const { id } = await order(ada, { to: 1 });
    for (const path of [`/api/tasks/${id}`, `/api/tasks/${id}/result`])
      expect((await as(api, eve).get(path)).json()).toMatchObject({ code: "task_not_found" });
    expect((await as(api, eve).delete(`/api/tasks/${id}`)).statusCode).toBe(404);
    expect((await as(api, eve).get("/api/tasks")).json()).toEqual({ tasks: [], next: null });
    expect(
      (await as(api, await newKey(api, ada, ["upload"])).get(`/api/tasks/${id}`)).statusCode,
    ).toBe(403);
    expect(
      (await as(api, await newKey(api, ada, ["read"])).get(`/api/tasks/${id}`)).statusCode,
    ).toBe(200);
    await untilState(ada, id, "SUCCESS");
  });
});

describe("the list of tasks", () => {
  it("has the newest first, in pages, by state and kind", async () => {
    const ada = await newUser(api);
    const ids: string[] = [];
    for (const to of [2, 4, 5]) {
      const { id } = await order(ada, { to, even: true });
      await untilState(ada, id, to % 2 === 0 ? "SUCCESS" : "FAILURE");
      ids.unshift(id);
    }
    const list = async (query: string) => {
      const { tasks, next } = (await as(api, ada).get(`/api/tasks?${query}`)).json<{
        tasks: Shown[];
        next: number | null;
      }>();
      return { ids: tasks.map(({ id }) => id), next };
    };
    expect(await list("")).toEqual({ ids, next: null });
    const first = await list("limit=2");
    expect(first.ids).toEqual(ids.slice(0, 2));
    expect(await list(`before=${first.next}`)).toEqual({ ids: ids.slice(2), next: null });
    expect((await list("state=SUCCESS")).ids).toEqual(ids.slice(1));
    expect((await list("kind=dance")).ids).toEqual([]);
    expect((await as(api, ada).get("/api/tasks?state=LOST")).statusCode).toBe(400);
  });
});

describe("a task with a long result, or long parameters", () => {
  it("shows them by itself, and not in the list", async () => {
    const ada = await newUser(api);
    const { id } = await order(ada, { to: 2, even: true });
    const short = await untilState(ada, id, "SUCCESS");
    const long = { text: "x".repeat(10_000) };
    const listed = async () =>
      (await as(api, ada).get("/api/tasks")).json<{ tasks: Shown[] }>().tasks[0]!;
    expect(await listed()).toEqual(short);
    await sql`update task set params = ${long}, result = ${long} where id = ${id}`.execute(api.db);
    expect(await look(ada, id)).toMatchObject({ params: long, result: long });
    expect(await listed()).toEqual({ ...short, params: {}, result: null });
  });
});

describe("DELETE", () => {
  it("cancels a task that waits or runs within two seconds, and nothing half-made stays", async () => {
    const ada = await newUser(api);
    const before = await countFiles(api.db);
    const waiting = await order(ada, endless);
    const response = await as(api, ada).delete(`/api/tasks/${waiting.id}`);
    expect(response.json()).toEqual({ message: "Task cancelled" });
    const running = await order(ada, endless);
    await untilState(ada, running.id, "STARTED");
    await expect.poll(async () => await countFiles(api.db)).not.toEqual(before);
    await as(api, ada).delete(`/api/tasks/${running.id}`);
    await expect
      .poll(async () => await countFiles(api.db), { timeout: 2000, interval: 20 })
      .toEqual(before);
    for (const { id } of [waiting, running]) {
      expect(await look(ada, id)).toMatchObject({ state: "REVOKED", file: null, doing: null });
      const result = await as(api, ada).get(`/api/tasks/${id}/result`);
      expect(result.json()).toMatchObject({ status: 409, code: "task_cancelled" });
    }
  });

  it("forgets a task that is over, and its result, and no other one", async () => {
    const ada = await newUser(api);
    const [doomed, kept] = [await order(ada, { to: 3 }), await order(ada, { to: 3 })];
    for (const { id } of [doomed, kept]) await untilState(ada, id, "SUCCESS");
    const response = await as(api, ada).delete(`/api/tasks/${doomed.id}`);
    expect(response.json()).toEqual({ message: "Task deleted" });
    expect((await as(api, ada).get(`/api/tasks/${doomed.id}`)).statusCode).toBe(404);
    expect((await as(api, ada).delete(`/api/tasks/${doomed.id}`)).statusCode).toBe(404);
    const files = async () => {
      await deleteExpiredFiles(api.db);
      return await api.db
        .selectFrom("file")
        .select("id")
        .where("account_id", "=", ada.id)
        .execute();
    };
    expect(await files()).toHaveLength(1);
    expect((await as(api, ada).get(`/api/tasks/${kept.id}/result`)).body).toBe("1\n2\n3\n");
  });
});

describe("quotas", () => {
  it("let a user have so many tasks at once, counted also when they are asked for at once", async () => {
    const ada = await newUser(api);
    const asked = await Promise.all(
      Array.from({ length: 6 }, async () =>
        as(api, ada).post("/api/tasks", { kind: "count", params: endless }),
      ),
    );
    const statuses = asked.map(({ statusCode }) => statusCode).sort((a, b) => a - b);
    expect(statuses).toEqual([202, 202, 429, 429, 429, 429]);
    const refused = asked.find(({ statusCode }) => statusCode === 429)!;
    expect(refused.json()).toMatchObject({
      code: "too_many_tasks",
      message: expect.stringMatching(/2 tasks waiting or running, of 2.*DELETE/) as string,
    });
    const eve = await newUser(api);
    await untilState(eve, (await order(eve, { to: 1 })).id, "SUCCESS");
    for (const task of asked.filter(({ statusCode }) => statusCode === 202))
      await as(api, ada).delete(`/api/tasks/${task.json<Shown>().id}`);
    await untilState(ada, (await order(ada, { to: 1 })).id, "SUCCESS");
  });

  it("bound what results take, and deleting makes room", async () => {
    const ada = await newUser(api);
    const large = await order(ada, { to: 400 });
    expect(await untilState(ada, large.id, "FAILURE")).toMatchObject({
      error: { code: "file_too_large" },
    });
    const first = await order(ada, { to: 260 });
    await untilState(ada, first.id, "SUCCESS");
    await sql`update file set size = 1000 where account_id = ${ada.id}`.execute(api.db);
    const refused = await as(api, ada).post("/api/tasks", { kind: "count", params: { to: 1 } });
    expect(refused.json()).toMatchObject({ status: 429, code: "results_full" });
    await as(api, ada).delete(`/api/tasks/${first.id}`);
    await untilState(ada, (await order(ada, { to: 1 })).id, "SUCCESS");
  });
});

describe("a result", () => {
  it("isn't there before its task is done, nor when there is no file", async () => {
    const ada = await newUser(api);
    const { id } = await order(ada, endless);
    const early = await as(api, ada).get(`/api/tasks/${id}/result`);
    expect(early.json()).toMatchObject({ status: 409, code: "task_not_done" });
    await as(api, ada).delete(`/api/tasks/${id}`);
    const admin = await newUser(api, { admin: true });
    const plain = await order(admin, {}, "members only");
    await untilState(admin, plain.id, "SUCCESS");
    const none = await as(api, admin).get(`/api/tasks/${plain.id}/result`);
    expect(none.json()).toMatchObject({ status: 404, code: "no_result_file" });
  });

  it("goes when its time is over, and says so; its task goes after it", async () => {
    const ada = await newUser(api);
    const { id } = await order(ada, { to: 3 });
    await untilState(ada, id, "SUCCESS");
    await sql`update file set expires_at = now() where task_id = ${id}`.execute(api.db);
    await sql`update task set expires_at = to_timestamp(${api.now}) where id = ${id}`.execute(
      api.db,
    );
    const gone = await as(api, ada).get(`/api/tasks/${id}/result`);
    expect(gone.json()).toMatchObject({ status: 404, code: "result_expired" });
    expect(await look(ada, id)).toMatchObject({ state: "SUCCESS", file: null });
    await sql`update task set expires_at = now() where id = ${id}`.execute(api.db);
    await deleteExpiredFiles(api.db);
    await deleteExpiredTasks(api.db);
    const files = api.db.selectFrom("file").select("id").where("task_id", "=", id);
    expect(await files.execute()).toEqual([]);
    expect(await look(ada, id)).toMatchObject({ state: "SUCCESS" });
    await sql`update task set expires_at = now() - interval '8 days' where id = ${id}`.execute(
      api.db,
    );
    await deleteExpiredTasks(api.db);
    expect((await as(api, ada).get(`/api/tasks/${id}`)).statusCode).toBe(404);
  });
});
