import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { putInQuarantine, quarantined } from "../support/quarantine.ts";
import { newCell } from "../support/cells.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";
import { useApi } from "../support/api.ts";

const api = useApi();
const ts = 1_705_316_400;

/** A cell that has so many sensors. */
async function cellWith(count: number): Promise<number> {
  const cellId = await newCell(api);
  await sql`
    insert into sensor (cell_id, name, measurement, unit, data_type)
    select ${cellId}::int, 'made_up', 'n' || n, '', 'int' from generate_series(1, ${count}::int) as n`.execute(
    api.db,
  );
  return cellId;
}

function message(cellId: number, keys: readonly string[]) {
  const data = Object.fromEntries(keys.map((key) => [key, 1]));
  return { type: "made_up", cellId, ts, data };
}

async function post(cellId: number, keys: readonly string[]) {
  return await api.postJson("/api/sensor/", message(cellId, keys));
}

describe("a cell with nearly all sensors that it may have", () => {
  it("takes those it has room for, and refuses a message with more, whole", async () => {
    const cellId = await cellWith(998);
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        expect((await post(cellId, ["a", "b"])).statusCode).toBe(200);
        const refused = await post(cellId, ["a", "c"]);
        expect(refused.statusCode).toBe(400);
        expect(refused.json()).toMatchObject({
          code: "too_many_sensors",
          message: `cell ${cellId} has 1000 sensors, and no more are made for it`,
        });
        expect((await post(cellId, ["a", "n1", "n998"])).statusCode).toBe(200);
      });
    });
    expect(added).toEqual({ sensor: 2, reading: 4, quarantine: 1 });
    expect(kept).toMatchObject([{ code: "too_many_sensors" }]);
  });

  it("gives its room to the first of those that come at once, and spoils no others", async () => {
    const [cellId, other] = [await cellWith(998), await newCell(api)];
    const added = await rowsAdded(api.db, async () => {
      const answers = await Promise.all([
        ...["a", "b", "c", "d", "e", "a"].map((key) => post(cellId, [key])),
        post(other, ["a"]),
      ]);
      const statuses = answers.map(({ statusCode }) => statusCode);
      expect(statuses).toEqual([200, 200, 400, 400, 400, 200, 200]);
    });
    expect(added).toEqual({ sensor: 3, reading: 3, quarantine: 3 });
  });

  it("refuses it again when it is replayed", async () => {
    const cellId = await cellWith(1000);
    const { headers } = await newUser(api, { admin: true });
    const body = Buffer.from(JSON.stringify(message(cellId, ["z"])));
    const id = await putInQuarantine(api.db, quarantined({ format: "json", body }));
    const added = await rowsAdded(api.db, async () => {
      const url = `/api/quarantine/${id}/replay`;
      const answer = await api.inject({ method: "POST", url, headers });
      expect(answer.json()).toMatchObject({ code: "too_many_sensors" });
    });
    expect(added).toEqual({ audit: 1 });
  });
});
