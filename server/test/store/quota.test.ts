import { sql } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import { as } from "../support/as.ts";
import { useApi } from "../support/api.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
let hoarder: TestUser;

beforeAll(async () => {
  hoarder = await newUser(api);
  const owner = sql`${hoarder.id}::uuid`;
  await sql`insert into cell (name, upload_policy, user_id)
    select 'hoarded ' || n, 'key', ${owner} from generate_series(1, 9999) n`.execute(api.db);
  await sql`insert into logger (name, user_id)
    select 'hoarded ' || n, ${owner} from generate_series(1, 9999) n`.execute(api.db);
  await sql`insert into tag (name, created_by)
    select 'hoarded ' || n, ${owner} from generate_series(1, 999) n`.execute(api.db);
});

describe.each([
  ["cell", "too_many_cells"],
  ["logger", "too_many_loggers"],
  ["tag", "too_many_tags"],
])("an account that has nearly as many as it may: %s", (noun, code) => {
  it("gets one more, of many that it wants at once", async () => {
    const added = await rowsAdded(api.db, async () => {
      const wishes = Array.from({ length: 8 }, async (_, n) => {
        const answer = await as(api, hoarder).post(`/api/${noun}/`, { name: `last ${noun} ${n}` });
        return answer.statusCode < 300 ? "made" : answer.json<{ code: string }>().code;
      });
      const outcomes = (await Promise.all(wishes)).sort();
      expect(outcomes).toEqual(["made", ...Array.from({ length: 7 }, () => code)]);
    });
    expect(added).toEqual({ [noun]: 1, audit: 1 });
  });

  it("leaves others as many", async () => {
    const answer = await as(api, await newUser(api)).post(`/api/${noun}/`, { name: `my ${noun}` });
    expect(answer.statusCode).toBeLessThan(300);
  });
});

it("is handed no cell by others when it has as many as it may", async () => {
  const giver = await newUser(api);
  const { id } = (await as(api, giver).post("/api/cell/", { name: "a gift" })).json<{
    id: number;
  }>();
  const added = await rowsAdded(api.db, async () => {
    const share = { email: hoarder.email, role: "owner" };
    const answer = await as(api, giver).post(`/api/cell/${id}/share`, share);
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
      409,
      "owner_has_many_cells",
    ]);
  });
  expect(added).toEqual({});
});

it("keeps an upload that names a cell which its sender can't have any more", async () => {
  const payload = { cell: "one too many", ts: 1_700_000_000, v: 1, i: 1 };
  const added = await rowsAdded(api.db, async () => {
    const answer = await as(api, hoarder).post("/api/power/", payload);
    expect(answer.statusCode).toBe(400);
  });
  expect(added).toEqual({ quarantine: 1 });
});
