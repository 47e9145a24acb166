import { describe, expect, it } from "vitest";
import { createLogger } from "../../src/store/loggers.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newCell } from "../support/cells.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const ts = 1_705_316_400;

interface Conflicts {
  readonly total: number;
  readonly by_logger: object[];
  readonly conflicts: { readonly id: number; readonly other: { readonly value: number } }[];
  readonly next: number | null;
}

async function upload(cellId: number, loggerId: number, value: number, at = ts): Promise<void> {
  const meta = { cellId, loggerId, ts: at };
  const message = encodeVersion2([{ meta, type: 10, value: decimal(value) }]);
  expect((await api.postBytes(message, version2)).statusCode).toBe(200);
}

async function conflictsOf(cellId: number, query = ""): Promise<Conflicts> {
  return (await api.get(`/api/cell/${cellId}/conflicts${query}`)).json<Conflicts>();
}

describe("GET /api/cell/{id}/conflicts", () => {
  it("shows both values, which loggers they came from and when", async () => {
    const cellId = await newCell(api);
    await upload(cellId, 11, 20.5);
    api.now += 60;
    await upload(cellId, 12, 21);
    api.now -= 60;
    await upload(await newCell(api), 12, 1);
    const [conflict, ...others] = (await conflictsOf(cellId)).conflicts;
    expect(others).toEqual([]);
    expect(conflict).toEqual({
      id: expect.any(Number),
      sensor_id: expect.any(Number),
      name: "BME280_TEMP",
      measurement: "Temperature",
      unit: "C",
      ts: "2024-01-15T11:00:00.000Z",
      kept: { value: 20.5, logger_id: 11, received_at: "2024-01-16T00:00:00.000Z" },
      other: { value: 21, logger_id: 12, received_at: "2024-01-16T00:01:00.000Z" },
    });
  });

  it("counts them by the logger that sent what came second, registered or not", async () => {
    const cellId = await newCell(api);
    const registered = await createLogger(api.db, { name: `counted ${cellId}` });
    for (const [loggerId, value] of [
      [11, 1],
      [12, 2],
      [12, 3],
      [registered.id, 4],
      [12, 3],
    ] as const)
      await upload(cellId, loggerId, value);
    const { total, by_logger } = await conflictsOf(cellId);
    expect([total, by_logger]).toEqual([
      3,
      [
        { logger_id: 12, count: 2 },
        { logger_id: registered.id, count: 1 },
      ],
    ]);
  });

  it("lists the newest first, page by page, of all its sensors", async () => {
    const cellId = await newCell(api);
    for (const value of [1, 2, 3, 4]) await upload(cellId, 11, value);
    const first = await conflictsOf(cellId, "?limit=2");
    expect(first.conflicts.map(({ other }) => other.value)).toEqual([4, 3]);
    const second = await conflictsOf(cellId, `?limit=2&before=${first.next}`);
    expect(second.conflicts.map(({ other }) => other.value)).toEqual([2]);
    expect([first.total, second.total, second.next]).toEqual([3, 3, null]);
  });

  it("is empty for a cell without any, 404 for none, and changes nothing", async () => {
    const cellId = await newCell(api);
    const added = await rowsAdded(api.db, async () => {
      const empty = { total: 0, by_logger: [], conflicts: [], next: null };
      expect(await conflictsOf(cellId)).toEqual(empty);
      expect((await api.get("/api/cell/999999/conflicts")).statusCode).toBe(404);
      expect((await api.get(`/api/cell/${cellId}/conflicts?limit=0`)).statusCode).toBe(400);
    });
    expect(added).toEqual({});
  });
});

describe("GET /api/logger", () => {
  it("counts what each logger sent that came second, of one and of all", async () => {
    const user = await newUser(api);
    const cellId = await newCell(api);
    const first = await createLogger(api.db, { name: `first ${cellId}`, userId: user.id });
    const second = await createLogger(api.db, { name: `second ${cellId}`, userId: user.id });
    await upload(cellId, first.id, 1);
    await upload(cellId, second.id, 2);
    await upload(cellId, second.id, 3);
    const all = (await as(api, user).get("/api/logger/?user=true")).json<object[]>();
    expect(all).toMatchObject([
      { id: first.id, conflicts: 0 },
      { id: second.id, conflicts: 2 },
    ]);
    const one = (await as(api, user).get(`/api/logger/${second.id}`)).json<object>();
    expect(one).toMatchObject({ id: second.id, conflicts: 2 });
  });
});
