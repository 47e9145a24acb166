import type { ChildProcess } from "node:child_process";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cancelTask, getTask } from "../../src/store/tasks.ts";
import type { Bell } from "../../src/tasks/bell.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { useDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";
import { hasRedis, TestRedis } from "../support/redis.ts";
import {
  ask,
  counted,
  countFiles,
  endWorker,
  resultOf,
  startWorker,
  untilState,
} from "../support/tasks.ts";

const database = useDatabase();
const workers: ChildProcess[] = [];
let redis: TestRedis | undefined;

beforeAll(async () => {
  if (hasRedis) redis = await TestRedis.start();
});
afterAll(async () => await redis?.remove());
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => endWorker(worker, "SIGKILL")));
});

async function start(redisUrl: string | undefined): Promise<ChildProcess> {
  const worker = await startWorker(database.url, redisUrl);
  workers.push(worker);
  return worker;
}

const slow = { to: 30, pause_ms: 50 };

/** Lets time pass for a task whose worker is gone. */
async function forget(id: string): Promise<void> {
  await sql`update task set heartbeat_at = now() - interval '14 seconds' where id = ${id}`.execute(
    database.db,
  );
}

/** Until a slow task is at it, and has written something of its file. */
async function untilUnderWay(id: string, timeout = 20_000): Promise<void> {
  const doing = async () => (await getTask(database.db, "strangers", id)).doing;
  await expect.poll(doing, { timeout, interval: 20 }).toMatch(/^counting \d/);
}

const bells = [
  { name: "in the database", redisUrl: () => undefined },
  ...(hasRedis ? [{ name: "on Redis", redisUrl: () => redis!.url }] : []),
];

describe.each(bells)("a worker, rung $name,", ({ redisUrl }) => {
  let bell: Bell;
  beforeAll(() => {
    bell = openBell(database, { redisUrl: redisUrl(), log: silentLog });
  });
  afterAll(async () => await bell.close());

  it("does what is asked for, at once, and shows what came of it", async () => {
    await start(redisUrl());
    await untilState(database.db, await ask(database.db, bell, "count", { to: 1 }), "SUCCESS");
    const began = performance.now();
    const ids = await Promise.all(
      [0, 1, 1000].map((to) => ask(database.db, bell, "count", { to })),
    );
    for (const [at, to] of [0, 1, 1000].entries()) {
      const task = await untilState(database.db, ids[at]!, "SUCCESS");
      expect(task).toMatchObject({ progress: 1, doing: null, error: null, attempts: 1 });
      expect(task.result).toEqual({ lines: to, bytes: counted(to).length });
      expect(await resultOf(database.db, task)).toBe(counted(to));
    }
    expect(performance.now() - began).toBeLessThan(4000);
  });

  it("tells a failure that is the asker's to mend, and no more of any other one", async () => {
    await start(redisUrl());
    const odd = await ask(database.db, bell, "count", { to: 3, even: true });
    const fault = await ask(database.db, bell, "fault");
    expect(await untilState(database.db, odd, "FAILURE")).toMatchObject({
      error_code: "not_even",
      error: "3 isn't even",
      file_id: null,
    });
    const failed = await untilState(database.db, fault, "FAILURE");
    expect(failed.error_code).toBe("internal_error");
    expect(failed.error).not.toContain("secret");
  });

  it("checks rights again when a task begins", async () => {
    await start(redisUrl());
    const id = await ask(database.db, bell, "members only");
    expect(await untilState(database.db, id, "FAILURE")).toMatchObject({
      error_code: "nothing_there",
    });
  });

  it("stops within two seconds when its task is cancelled, and leaves nothing half-made", async () => {
    await start(redisUrl());
    const before = await countFiles(database.db);
    const id = await ask(database.db, bell, "count", { to: 100_000, pause_ms: 1 });
    await untilUnderWay(id);
    expect(await countFiles(database.db)).toMatchObject({ files: before.files + 1 });
    expect(await cancelTask(database.db, id)).toBe(true);
    const left = async () => await countFiles(database.db);
    await expect.poll(left, { timeout: 2000, interval: 20 }).toEqual(before);
    expect(await getTask(database.db, "strangers", id)).toMatchObject({
      state: "REVOKED",
      file_id: null,
    });
    await untilState(database.db, await ask(database.db, bell, "count", { to: 1 }), "SUCCESS");
    expect((await getTask(database.db, "strangers", id)).state).toBe("REVOKED");
  });

  it("is replaced when it is killed: the task is taken again, and its result is right", async () => {
    const doomed = await start(redisUrl());
    const before = await countFiles(database.db);
    const id = await ask(database.db, bell, "count", slow);
    await untilUnderWay(id);
    await endWorker(doomed, "SIGKILL");
    await start(redisUrl());
    await forget(id);
    const task = await untilState(database.db, id, "SUCCESS", 40_000);
    expect(task.attempts).toBe(2);
    expect(await resultOf(database.db, task)).toBe(counted(slow.to));
    const left = async () => (await countFiles(database.db)).files;
    await expect.poll(left, { timeout: 10_000 }).toBe(before.files + 1);
  }, 60_000);

  it("gives its tasks back when it is told to stop, and another one goes on at once", async () => {
    const first = await start(redisUrl());
    const id = await ask(database.db, bell, "count", slow);
    await untilUnderWay(id);
    await endWorker(first, "SIGTERM");
    expect(await getTask(database.db, "strangers", id)).toMatchObject({
      state: "PENDING",
      progress: 0,
    });
    await start(redisUrl());
    await untilUnderWay(id, 3000);
    const task = await untilState(database.db, id, "SUCCESS");
    expect(await resultOf(database.db, task)).toBe(counted(slow.to));
  });

  it("finds by itself what was never rung, and what rang while it wasn't there", async () => {
    const unrung = await ask(database.db, undefined, "count", { to: 5 });
    const early = await ask(database.db, bell, "count", { to: 6 });
    await start(redisUrl());
    for (const id of [unrung, early]) await untilState(database.db, id, "SUCCESS");
  });

  it("does each of many tasks once, however many workers there are", async () => {
    await Promise.all([start(redisUrl()), start(redisUrl())]);
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, to) => ask(database.db, bell, "count", { to })),
    );
    for (const id of ids)
      expect(await untilState(database.db, id, "SUCCESS")).toMatchObject({ attempts: 1 });
  });
});

describe("a task", () => {
  let bell: Bell;
  beforeAll(() => {
    bell = openBell(database, { redisUrl: undefined, log: silentLog });
  });
  afterAll(async () => await bell.close());

  it("that has cost five workers fails, and says so", async () => {
    const id = await ask(database.db, undefined, "deadly");
    await sql`update task set losses = 3 where id = ${id}`.execute(database.db);
    for (const losses of [3, 4]) {
      const worker = await start(undefined);
      await expect.poll(() => worker.signalCode, { timeout: 20_000 }).toBe("SIGKILL");
      const { rows } = await sql<{ losses: number }>`
        update task set heartbeat_at = now() - interval '1 minute' where id = ${id} returning losses`.execute(
        database.db,
      );
      expect(rows).toEqual([{ losses }]);
    }
    await start(undefined);
    const task = await untilState(database.db, id, "FAILURE");
    expect(task).toMatchObject({ error_code: "worker_lost", attempts: 2 });
  }, 60_000);

  it("that someone else has begun meanwhile is let go of, and what they write stays", async () => {
    await start(undefined);
    const id = await ask(database.db, bell, "count", slow);
    await untilUnderWay(id);
    await sql`
      update task set attempts = attempts + 1, heartbeat_at = now() + interval '1 hour', worker = 'someone else', doing = 'mine'
      where id = ${id}`.execute(database.db);
    const left = async () => (await countFiles(database.db)).chunks;
    const before = await left();
    await untilState(database.db, await ask(database.db, bell, "count", { to: 1 }), "SUCCESS");
    expect(await getTask(database.db, "strangers", id)).toMatchObject({
      state: "STARTED",
      doing: "mine",
    });
    expect(await left()).toBe(before + 1);
  });
});

describe.skipIf(!hasRedis)("Redis", () => {
  let bell: Bell;
  beforeAll(() => {
    bell = openBell(database, { redisUrl: redis!.url, log: silentLog });
  });
  afterAll(async () => await bell.close());

  it("may be emptied midway: tasks go on, and those that wait are rung again", async () => {
    await start(redis!.url);
    const ids = await Promise.all(
      Array.from({ length: 6 }, () => ask(database.db, bell, "count", slow)),
    );
    await untilUnderWay(ids[0]!);
    await redis!.flush();
    for (const id of ids) {
      const task = await untilState(database.db, id, "SUCCESS", 60_000);
      expect(task.attempts).toBe(1);
      expect(await resultOf(database.db, task)).toBe(counted(slow.to));
    }
  }, 90_000);

  it("may go away and come back: nobody notices, but that tasks begin later", async () => {
    await start(redis!.url);
    const running = await ask(database.db, bell, "count", slow);
    await untilUnderWay(running);
    await redis!.stop();
    await expect.poll(() => bell.isUp()).toBe(false);
    const began = performance.now();
    const waiting = await ask(database.db, bell, "count", { to: 2 });
    expect(performance.now() - began).toBeLessThan(1500);
    await untilState(database.db, running, "SUCCESS");
    await redis!.start();
    await untilState(database.db, waiting, "SUCCESS", 30_000);
    await expect.poll(() => bell.isUp(), { timeout: 5000 }).toBe(true);
  }, 90_000);

  it("may be away when a worker begins", async () => {
    await redis!.stop();
    await start(redis!.url);
    const id = await ask(database.db, bell, "count", { to: 2 });
    await redis!.start();
    await untilState(database.db, id, "SUCCESS", 30_000);
  }, 60_000);
});
