import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bell } from "../../src/tasks/bell.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { Worker } from "../../src/tasks/worker.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { useListening, type Dashboard, type Heard } from "../support/listen.ts";
import { silentLog } from "../support/log.ts";
import { testKinds } from "../support/tasks.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi(undefined, () => ({ kinds: testKinds }));
const server = useListening(api);

let worker: Worker;
let bell: Bell;
beforeAll(() => {
  const { db, databaseUrl: url } = api;
  bell = openBell({ db, url }, { redisUrl: undefined, log: silentLog });
  const settings = { name: "test", atOnce: 2, log: silentLog, kinds: testKinds };
  worker = new Worker({ db, bell, ...settings });
  worker.start();
});
afterAll(async () => await worker.stop());

const dashboardOf = async ({ headers }: TestUser): Promise<Dashboard> =>
  await server.connect({ auth: { token: headers.authorization } });

/** The worker isn't told of it yet. */
async function order(user: TestUser, params: object): Promise<string> {
  const response = await as(api, user).post("/api/tasks", { kind: "count", params });
  expect(response.statusCode).toBe(202);
  return response.json<{ id: string }>().id;
}

const isOf =
  (id: string, ...states: readonly string[]) =>
  ({ data }: Heard) =>
    data["id"] === id && (states.length === 0 || states.includes(String(data["state"])));

const slow = { to: 60, pause_ms: 50 };

describe("who has subscribed to their tasks", () => {
  it("hears that one waits, how far it has come, and its end, as GET answers it; others hear nothing", async () => {
    const [ada, bob] = [await newUser(api), await newUser(api)];
    const [first, second, other] = [
      await dashboardOf(ada),
      await dashboardOf(ada),
      await dashboardOf(bob),
    ];
    for (const dashboard of [first, second, other])
      expect(await dashboard.ask("subscribe_tasks", {})).toEqual({});
    const id = await order(ada, slow);
    await first.until((all) => all.some(isOf(id, "PENDING")));
    await bell.ring({ id, attempts: 0 });
    const heard = await first.until((all) => all.some(isOf(id, "SUCCESS")));
    const states = heard.map(({ data }) => data["state"]);
    const changes = states.filter((state, at) => state !== states[at - 1]);
    expect(changes).toEqual(["PENDING", "STARTED", "SUCCESS"]);
    const progress = heard.map(({ data }) => Number(data["progress"]));
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.filter((one) => one > 0 && one < 1).length).toBeGreaterThan(0);
    expect(heard.at(-1)!.data).toEqual((await as(api, ada).get(`/api/tasks/${id}`)).json());
    expect(new Set(heard.map(({ event }) => event))).toEqual(new Set(["task_updated"]));
    // Told in the same looks, or in fewer where it wasn't ready.
    await second.until((all) => all.some(isOf(id, "SUCCESS")));
    expect(second.heard.at(-1)).toEqual(heard.at(-1));
    const bobs = await order(bob, { to: 1 });
    await bell.ring({ id: bobs, attempts: 0 });
    await other.until((all) => all.some(isOf(bobs, "SUCCESS")));
    expect(other.heard.filter((one) => !isOf(bobs)(one))).toEqual([]);
    expect(first.heard.filter((one) => !isOf(id)(one))).toEqual([]);
  });

  it("hears of what is under way when they come, and no more once they don't want to", async () => {
    const ada = await newUser(api);
    const id = await order(ada, slow);
    await bell.ring({ id, attempts: 0 });
    const [late, gone] = [await dashboardOf(ada), await dashboardOf(ada)];
    // Some give nothing but the callback, or not even that.
    expect(await gone.socket.emitWithAck("subscribe_tasks")).toEqual({});
    late.socket.emit("subscribe_tasks");
    await gone.until((all) => all.some(isOf(id)));
    expect(await gone.socket.emitWithAck("unsubscribe_tasks")).toEqual({});
    const before = gone.heard.length;
    await as(api, ada).delete(`/api/tasks/${id}`);
    await late.until((all) => all.some(isOf(id, "REVOKED")));
    expect(gone.heard.length).toBe(before);
  });

  it("may be a key that is for reading, and nobody else", async () => {
    const ada = await newUser(api);
    const ask = async (options: object) =>
      await (await server.connect(options)).ask("subscribe_tasks", {});
    const withKey = async (scope: "read" | "upload") => ({
      auth: { token: (await newKey(api, ada, [scope])).headers["x-api-key"] },
    });
    expect(await ask(await withKey("read"))).toEqual({});
    expect(await ask(await withKey("upload"))).toMatchObject({ error: { code: "scope_missing" } });
    expect(await ask({})).toMatchObject({ error: { code: "login_needed" } });
    const silent = await server.connect();
    silent.socket.emit("subscribe_tasks");
    const [refusal] = await silent.until((all) => all.length > 0);
    expect(refusal).toMatchObject({ event: "subscribe_error", data: { code: "login_needed" } });
    const listening = await dashboardOf(ada);
    await listening.ask("subscribe_tasks", {});
    const id = await order(ada, { to: 1 });
    await listening.until((all) => all.some(isOf(id)));
    expect(silent.heard).toHaveLength(1);
  });
});
