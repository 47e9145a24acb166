import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { newTeam } from "../support/team.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

interface Page {
  readonly entries: { id: number; action: string; account_id: string; details: object }[];
  readonly next: number | null;
}

describe("GET /api/cell/{id}/audit", () => {
  it("tells owners who did what to their cell, the newest first", async () => {
    const team = await newTeam(api, "private");
    const other = await newTeam(api, "public");
    const { owner, editor, stranger } = team;
    const url = `/api/cell/${team.id}`;
    const made = await as(api, editor).post("/api/tag/", { name: "audited" });
    const { id: tag } = made.json<{ tag: { id: number } }>().tag;
    await as(api, editor).put(url, { location: "x", archive: true });
    await as(api, editor).put(`${url}/tags/${tag}`);
    await as(api, editor).delete(`${url}/tags/${tag}`);
    await as(api, owner).post(`${url}/share`, { email: stranger.email, role: "viewer" });
    await as(api, owner).delete(`${url}/users/${stranger.id}`);
    await as(api, other.owner).put(`/api/cell/${other.id}`, { location: "elsewhere" });
    await as(api, stranger).put(url, { location: "refused" });
    const { entries, next } = (await as(api, owner).get(`${url}/audit`)).json<Page>();
    expect(next).toBeNull();
    expect(entries.map(({ action, account_id }) => [action, account_id])).toEqual([
      ["unshare", owner.id],
      ["share", owner.id],
      ["remove_tag", editor.id],
      ["add_tag", editor.id],
      ["update", editor.id],
    ]);
    expect(entries.at(-1)).toEqual({
      id: expect.any(Number),
      at: "2024-01-16T00:00:00.000Z",
      actor: "user",
      account_id: editor.id,
      address: "127.0.0.1",
      action: "update",
      object_type: "cell",
      object_id: String(team.id),
      cell_id: team.id,
      details: { location: "x", archive: true },
    });
  });

  it("tells from where those did it who may change the cell, and of no others", async () => {
    const { id, owner, editor, viewer } = await newTeam(api, "public");
    const url = `/api/cell/${id}`;
    await as(api, editor).put(url, { location: "x" });
    await as(api, viewer).delete(`${url}/users/${viewer.id}`);
    const answer = (await as(api, owner).get(`${url}/audit`)).json<{
      entries: { action: string; address: string | null }[];
    }>();
    expect(answer.entries.map(({ action, address }) => [action, address])).toEqual([
      ["unshare", null],
      ["update", "127.0.0.1"],
    ]);
  });

  it("tells nobody's address for having left, when the cell is shared with them again", async () => {
    const { id, owner, stranger } = await newTeam(api, "public");
    const url = `/api/cell/${id}`;
    const { email } = stranger;
    await as(api, owner).post(`${url}/share`, { email });
    await as(api, stranger).delete(`${url}/users/${stranger.id}`);
    await as(api, owner).post(`${url}/share`, { email });
    const { entries } = (await as(api, owner).get(`${url}/audit`)).json<{
      entries: { action: string; address: string | null }[];
    }>();
    expect(entries.map(({ action, address }) => [action, address])).toEqual([
      ["share", "127.0.0.1"],
      ["unshare", null],
      ["share", "127.0.0.1"],
    ]);
  });

  it("keeps the beginnings of long texts", async () => {
    const { id, owner } = await newTeam(api, "public");
    const location = "é".repeat(300);
    await as(api, owner).put(`/api/cell/${id}`, { location });
    const { entries } = (await as(api, owner).get(`/api/cell/${id}/audit`)).json<Page>();
    expect(entries[0]!.details).toEqual({ location: `${"é".repeat(200)}…` });
    expect((await api.get(`/api/cell/${id}`)).json()).toMatchObject({ location });
  });

  it("says which key was used, and not what it is", async () => {
    const { id, owner } = await newTeam(api, "public");
    const key = await newKey(api, owner, ["manage", "read"]);
    await as(api, key).put(`/api/cell/${id}`, { location: "by key" });
    const answer = await as(api, key).get(`/api/cell/${id}/audit`);
    const [deed] = answer.json<Page>().entries;
    expect(deed).toMatchObject({ actor: expect.stringMatching(/^key \d+$/), account_id: owner.id });
    expect(answer.body).not.toContain(key.headers["x-api-key"].slice(0, 12));
  });

  it.each([
    ["public", "editor", 403],
    ["public", "viewer", 403],
    ["public", "stranger", 403],
    ["public", "nobody", 401],
    ["private", "stranger", 404],
    ["private", "viewer", 403],
    ["private", "admin", 200],
  ] as const)("of a %s cell answers its %s with %d", async (visibility, who, status) => {
    const team = await newTeam(api, visibility);
    const answer = await as(api, team[who]).get(`/api/cell/${team.id}/audit`);
    expect(answer.statusCode).toBe(status);
  });
});

describe("GET /api/audit", () => {
  it("shows admins everything, page by page, and also of what is gone", async () => {
    const team = await newTeam(api, "public");
    for (const location of ["a", "b", "c"])
      await as(api, team.owner).put(`/api/cell/${team.id}`, { location });
    await as(api, team.owner).delete(`/api/cell/${team.id}`);
    const admin = as(api, team.admin);
    const first = (await admin.get("/api/audit?limit=3")).json<Page>();
    expect(first.entries).toMatchObject([
      { action: "delete", details: { name: team.name }, object_id: String(team.id) },
      { details: { location: "c" } },
      { details: { location: "b" } },
    ]);
    const second = (await admin.get(`/api/audit?limit=1&before=${first.next}`)).json<Page>();
    expect(second.entries).toMatchObject([{ details: { location: "a" } }]);
    expect((await admin.get(`/api/audit?before=1`)).json()).toEqual({ entries: [], next: null });
  });

  it("is for logged-in admins only", async () => {
    const admin = await newUser(api, { admin: true });
    const key = await newKey(api, admin, ["read", "manage", "upload"]);
    const toNobody = await as(api, undefined).get("/api/audit");
    expect([toNobody.statusCode, toNobody.headers["www-authenticate"]]).toEqual([401, "Bearer"]);
    expect((await as(api, await newUser(api)).get("/api/audit")).statusCode).toBe(403);
    expect((await as(api, key).get("/api/audit")).statusCode).toBe(403);
  });

  it.each(["limit=0", "limit=1001", "limit=x", "before=0", "before=1.5"])(
    "answers 400 for %s",
    async (query) => {
      const admin = as(api, await newUser(api, { admin: true }));
      expect((await admin.get(`/api/audit?${query}`)).statusCode).toBe(400);
    },
  );

  it("can't be changed, not even by us", async () => {
    const { id, owner } = await newTeam(api, "public");
    await as(api, owner).put(`/api/cell/${id}`, { location: "x" });
    for (const statement of [
      sql`update audit set action = 'nothing'`,
      sql`delete from audit`,
      sql`truncate audit`,
    ])
      await expect(statement.execute(api.db)).rejects.toThrow(/append-only/);
  });

  it("forgets nothing with an account", async () => {
    const { id, owner, admin } = await newTeam(api, "public");
    await as(api, owner).put(`/api/cell/${id}`, { location: "kept" });
    await api.db.deleteFrom("account").where("id", "=", owner.id).execute();
    const { entries } = (await as(api, admin).get(`/api/cell/${id}/audit`)).json<Page>();
    expect(entries).toMatchObject([{ account_id: owner.id, details: { location: "kept" } }]);
  });
});

describe("a page of the audit log", () => {
  it.each(["1e30", "9999999999999999999", "0", "1.5", "x"])(
    "can't begin before %s",
    async (before) => {
      const admin = as(api, await newUser(api, { admin: true }));
      expect((await admin.get(`/api/audit?before=${before}`)).statusCode).toBe(400);
    },
  );
});
