import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { updateCell } from "../../src/store/cells.ts";
import type { Bell } from "../../src/tasks/bell.ts";
import { openBell } from "../../src/tasks/bells.ts";
import { openKinds } from "../../src/tasks/kinds.ts";
import { Worker } from "../../src/tasks/worker.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog as log } from "../support/log.ts";

let bell: Bell;
const api = useApi(undefined, ({ db }) => {
  bell = openBell({ db, url: api.databaseUrl }, { redisUrl: undefined, log });
  return { bell };
});
const january = Date.parse("2024-01-10T00:00:00Z") / 1000;

let worker: Worker;
beforeAll(() => {
  const { db } = api;
  const kinds = openKinds({ db, clock: () => api.now });
  worker = new Worker({ db, bell, kinds, log, name: "test", atOnce: 2 });
  worker.start();
});
afterAll(async () => await worker.stop());

/** A public cell with readings, ten minutes apart. */
async function cellWith(readings: number): Promise<number> {
  const cellId = await newCell(api);
  const data = { voltage: 0.5, current: 0.0001 };
  for (let at = 0; at < readings; at += 1)
    await api.postJson("/api/sensor/", {
      type: "power",
      cellId,
      loggerId: 1,
      ts: january + 600 * at,
      data,
    });
  return cellId;
}

const start = async (query: string, remoteAddress = "10.0.0.1") =>
  await api.inject({ method: "GET", url: `/api/cell/datas?${query}`, remoteAddress });

interface Status {
  readonly state: string;
  readonly status: string;
}

async function untilOver(id: string): Promise<{ statusCode: number } & Status> {
  const look = async () => await api.get(`/api/status/${id}`);
  const state = async () => (await look()).json<Status>().state;
  await expect.poll(state, { timeout: 20_000 }).not.toBe("PENDING");
  const response = await look();
  return { statusCode: response.statusCode, ...response.json<Status>() };
}

describe("/cell/datas and /status", () => {
  it("give older clients a CSV, of hours and the last month where they don't say otherwise", async () => {
    const cellId = await cellWith(12);
    const response = await start(`cellIds=${cellId}`);
    expect(response.statusCode).toBe(200);
    const { result_id } = response.json<{ result_id: string }>();
    const { statusCode, state, status } = await untilOver(result_id);
    expect([statusCode, state]).toEqual([200, "SUCCESS"]);
    const [header, ...rows] = status.trimEnd().split("\n");
    expect(header).toMatch(/^timestamp,"?cell .*power\.v \[mV; mean by hour\]/);
    expect(rows.map((row) => row.split(",").slice(0, 2))).toEqual([
      ["2024-01-10T00:00:00.000Z", "500"],
      ["2024-01-10T01:00:00.000Z", "500"],
    ]);
    const raw = await start(
      `cellIds=${cellId}&resample=none&startTime=${january + 600}`,
      "10.0.0.2",
    );
    const answer = await untilOver(raw.json<{ result_id: string }>().result_id);
    expect(answer.status.trimEnd().split("\n")).toHaveLength(12);
  });

  it("are for public cells only, and for those that are public still when the export is made", async () => {
    const cellId = await cellWith(1);
    await updateCell(api.db, cellId, { visibility: "private" });
    expect((await start(`cellIds=${cellId}`)).statusCode).toBe(404);
    for (const query of ["", "cellIds=x", "cellIds=99999999999", `cellIds=${cellId}&resample=eon`])
      expect((await start(query)).statusCode).toBe(400);
    await updateCell(api.db, cellId, { visibility: "public" });
    const { result_id } = (await start(`cellIds=${cellId}`, "10.0.0.3")).json<{
      result_id: string;
    }>();
    await sql`update task set params = jsonb_set(params, '{cells}', '[2147483647]'), state = 'PENDING', file_id = null
      where id = ${result_id}`.execute(api.db);
    const over = await untilOver(result_id);
    expect(over).toMatchObject({ statusCode: 500, state: "FAILURE" });
    expect(over.status).toContain("2147483647");
  });

  it("let a stranger have little at once, by address, and don't show them what is others'", async () => {
    await worker.stop();
    const cellId = await cellWith(1);
    const from = async (address: string) => (await start(`cellIds=${cellId}`, address)).statusCode;
    expect(await from("2001:db8:1:2::1")).toBe(200);
    expect(await from("2001:db8:1:2::2")).toBe(200);
    expect(await from("2001:db8:1:2:ffff::3")).toBe(429);
    expect(await from("2001:db8:1:3::1")).toBe(200);
    const rows = await api.db
      .selectFrom("task")
      .select(["keep_seconds", "account_id"])
      .where("state", "=", "PENDING")
      .execute();
    expect(rows).toEqual(rows.map(() => ({ keep_seconds: 3600, account_id: null })));
    const unknown = await api.get("/api/status/00000000-0000-4000-8000-000000000000");
    expect(unknown.statusCode).toBe(404);
  });
});
