import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newCell } from "../support/cells.ts";
import { newKey } from "../support/keys.ts";
import { uploadVoltage } from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();
let admin: TestUser;
beforeAll(async () => {
  admin = await newUser(api, { admin: true });
});

async function make(who: Parameters<typeof as>[1], body: object) {
  return await as(api, who).post("/api/cell/", body);
}

/** What making a cell is answered, where it leaves nothing behind. */
async function refusalOf(who: Parameters<typeof as>[1], body: object) {
  let refusal: { status: number; code: string } | undefined;
  const added = await rowsAdded(api.db, async () => {
    const { status, code } = (await make(who, body)).json<{ status: number; code: string }>();
    refusal = { status, code };
  });
  expect(added).toEqual({});
  return refusal;
}

describe("a cell with a number that nodes send already", () => {
  it("takes their uploads; cells that are made later go on behind it", async () => {
    expect((await make(admin, { name: "wanted", id: 999, upload_policy: "open" })).json()).toEqual({
      message: "Successfully added cell",
      id: 999,
      name: "wanted",
    });
    expect(await uploadVoltage(api, 999)).toBe(200);
    expect(await newCell(api)).toBe(1000);
    expect((await make(admin, { name: "between", id: 500 })).json()).toMatchObject({ id: 500 });
    expect(await newCell(api)).toBe(1001);
  });

  it("is made by admins only", async () => {
    const user = await newUser(api);
    const forbidden = { status: 403, code: "admins_only" };
    expect(await refusalOf(user, { name: "x", id: 600 })).toEqual(forbidden);
    const key = await newKey(api, admin, ["manage"]);
    expect(await refusalOf(key, { name: "x", id: 600 })).toMatchObject({ status: 403 });
    expect(await refusalOf(undefined, { name: "x", id: 600 })).toMatchObject({ status: 401 });
    expect((await make(user, { name: "without", id: null })).statusCode).toBe(200);
  });

  it("is refused where the number is another's, was another's, or leaves no room", async () => {
    await make(admin, { name: "taken", id: 700 });
    const taken = { status: 409, code: "cell_number_taken" };
    expect(await refusalOf(admin, { name: "second", id: 700 })).toEqual(taken);
    expect((await make(admin, { name: "doomed", id: 701 })).statusCode).toBe(200);
    expect((await as(api, admin).delete("/api/cell/701")).statusCode).toBe(200);
    const used = { status: 409, code: "cell_number_used" };
    expect(await refusalOf(admin, { name: "again", id: 701 })).toEqual(used);
    const large = { status: 400, code: "cell_number_too_large" };
    expect(await refusalOf(admin, { name: "last", id: 2 ** 31 - 1 })).toEqual(large);
    expect(await refusalOf(admin, { name: "half", id: 1.5 })).toMatchObject({ status: 400 });
    const sameName = { status: 400, code: "cell_name_taken" };
    expect(await refusalOf(admin, { name: "TAKEN", id: 702 })).toEqual(sameName);
  });

  it("never gets the number of one that is made at the same moment", async () => {
    const base = await newCell(api);
    const wishes = Array.from({ length: 8 }, (_, at) => [
      make(admin, { name: `wish ${at}`, id: base + 2 + at }),
      make(admin, { name: `plain ${at}` }),
    ]);
    const answers = await Promise.all(wishes.flat());
    expect(new Set(answers.map(({ statusCode }) => statusCode)).size).toBeLessThanOrEqual(2);
    for (const { statusCode } of answers) expect([200, 409]).toContain(statusCode);
    const ids = answers.filter(({ statusCode }) => statusCode === 200);
    expect(new Set(ids.map((answer) => answer.json<{ id: number }>().id)).size).toBe(ids.length);
    expect(await newCell(api)).toBeGreaterThan(base + 9);
  });
});
