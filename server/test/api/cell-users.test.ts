import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { deleteCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { waitUntil } from "../support/wait-until.ts";
import { rowsAdded } from "../support/rows.ts";
import { acquaint, newTeam, type Team } from "../support/team.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();

interface Member {
  readonly id: string;
  readonly role: string;
}

interface Audit {
  readonly entries: { readonly action: string }[];
}

function statusesOf(answers: readonly { readonly statusCode: number }[]): Set<number> {
  return new Set(answers.map(({ statusCode }) => statusCode));
}

async function membersOf({ id, admin }: Team): Promise<Record<string, string>> {
  const all = (await as(api, admin).get(`/api/cell/${id}/users`)).json<Member[]>();
  return Object.fromEntries(all.map((member) => [member.id, member.role]));
}

/** Statements that wait for a lock. */
async function countLockedOut(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(api.db);
  return rows[0]!.count;
}

function personOf({ id, email }: TestUser) {
  return { id, email, first_name: "Test", last_name: "User", api_key: null };
}

describe("GET /api/cell/{id}/users", () => {
  it("shows members each other, without keys and hashes", async () => {
    const team = await newTeam(api, "public");
    await newKey(api, team.owner, ["read"]);
    const answer = await as(api, team.viewer).get(`/api/cell/${team.id}/users`);
    const [owner, ...others] = answer.json<object[]>();
    expect(owner).toEqual({ ...personOf(team.owner), role: "owner" });
    expect(others).toHaveLength(2);
    expect(others).toContainEqual({ ...personOf(team.editor), role: "editor" });
    expect(others).toContainEqual({ ...personOf(team.viewer), role: "viewer" });
  });

  it.each([
    ["public", "nobody", 401],
    ["public", "stranger", 403],
    ["private", "nobody", 401],
    ["private", "stranger", 404],
  ] as const)("of a %s cell answers %s with %d", async (visibility, who, status) => {
    const team = await newTeam(api, visibility);
    const answer = await as(api, team[who]).get(`/api/cell/${team.id}/users`);
    expect(answer.statusCode).toBe(status);
  });
});

describe("POST /api/cell/{id}/share", () => {
  it.each([
    [undefined, "editor"],
    [null, "editor"],
    ["editor", "editor"],
    ["viewer", "viewer"],
  ])("with role %j makes someone %s", async (role, made) => {
    const team = await newTeam(api, "private");
    const { stranger } = team;
    const body = { email: ` ${stranger.email.toUpperCase()} `, role };
    const answer = await as(api, team.owner).post(`/api/cell/${team.id}/share`, body);
    expect(answer.json()).toEqual({
      message: "Cell shared successfully",
      user: personOf(stranger),
    });
    expect(await membersOf(team)).toMatchObject({ [stranger.id]: made });
    expect((await as(api, stranger).get(`/api/cell/${team.id}`)).json()).toMatchObject({
      role: made,
    });
  });

  it("takes forms", async () => {
    const team = await newTeam(api, "public");
    const fields = { email: team.stranger.email, role: "" };
    const answer = await as(api, team.owner).form("POST", `/api/cell/${team.id}/share`, fields);
    expect(answer.statusCode).toBe(200);
  });

  it("hands a cell over; who had it stays as editor", async () => {
    const team = await newTeam(api, "private");
    const share = async (who: TestUser, { email }: TestUser) =>
      await as(api, who).post(`/api/cell/${team.id}/share`, { email, role: "owner" });
    expect((await share(team.owner, team.viewer)).statusCode).toBe(200);
    expect(await membersOf(team)).toEqual({
      [team.viewer.id]: "owner",
      [team.owner.id]: "editor",
      [team.editor.id]: "editor",
    });
    expect((await share(team.owner, team.owner)).statusCode).toBe(403);
    expect((await share(team.viewer, team.viewer)).statusCode).toBe(400);
  });

  it("fills nobody's account with cells that they didn't ask for", async () => {
    const team = await newTeam(api, "public");
    await sql`
      insert into cell (name, user_id, upload_policy)
      select 'given ' || nth || ' ' || ${team.viewer.id}, ${team.viewer.id}, 'key'
      from generate_series(1, 5000) as nth`.execute(api.db);
    const wish = { email: team.viewer.email, role: "owner" };
    const given = await as(api, team.owner).post(`/api/cell/${team.id}/share`, wish);
    expect([given.statusCode, given.json()]).toMatchObject([409, { code: "owner_has_many_cells" }]);
    expect(await membersOf(team)).toMatchObject({ [team.owner.id]: "owner" });
    const made = await as(api, team.viewer).post("/api/cell/", { name: `own ${team.viewer.id}` });
    expect(made.statusCode).toBe(200);
  });

  it("hands a cell over to one, when two are meant at once", async () => {
    const team = await newTeam(api, "public");
    await Promise.all(
      [team.editor, team.viewer, team.stranger].map(({ email }) =>
        as(api, team.owner).post(`/api/cell/${team.id}/share`, { email, role: "owner" }),
      ),
    );
    const roles = Object.values(await membersOf(team));
    expect(roles.filter((role) => role === "owner")).toHaveLength(1);
  });

  it("refuses someone who has access, and someone that there is not", async () => {
    const team = await newTeam(api, "public");
    const owner = as(api, team.owner);
    const added = await rowsAdded(api.db, async () => {
      for (const { email } of [team.owner, team.editor, team.viewer]) {
        const again = await owner.post(`/api/cell/${team.id}/share`, { email });
        expect(again.statusCode).toBe(400);
        expect(again.json().message).toBe("User already has access to this cell");
      }
      const unknown = await owner.post(`/api/cell/${team.id}/share`, { email: "x@example.org" });
      expect(unknown.statusCode).toBe(404);
      expect(unknown.json().message).toBe("User with email x@example.org not found");
      for (const body of [{}, { email: "" }, { email: 5 }, { email: "x", role: "king" }])
        expect((await owner.post(`/api/cell/${team.id}/share`, body)).statusCode).toBe(400);
    });
    expect(added).toEqual({});
  });
});

describe("/api/cell/{id}/users/{user}", () => {
  it("adds, changes and removes someone", async () => {
    const team = await newTeam(api, "private");
    const owner = as(api, team.owner);
    await acquaint(api, team.owner, team.stranger);
    const url = `/api/cell/${team.id}/users/${team.stranger.id}`;
    expect((await owner.put(url)).json()).toMatchObject({ user: personOf(team.stranger) });
    expect(await membersOf(team)).toMatchObject({ [team.stranger.id]: "editor" });
    expect((await owner.put(url)).statusCode).toBe(400);
    expect((await owner.put(url, { role: "viewer" })).statusCode).toBe(200);
    expect(await membersOf(team)).toMatchObject({ [team.stranger.id]: "viewer" });
    expect((await owner.form("PUT", url, { role: "editor" })).statusCode).toBe(200);
    expect((await owner.delete(url)).json()).toEqual({
      message: "User removed from cell successfully",
    });
    expect((await owner.delete(url)).statusCode).toBe(404);
    expect((await as(api, team.stranger).get(`/api/cell/${team.id}`)).statusCode).toBe(404);
  });

  it("leaves a cell its owner", async () => {
    const team = await newTeam(api, "public");
    const owner = as(api, team.owner);
    const url = `/api/cell/${team.id}/users/${team.owner.id}`;
    expect((await owner.delete(url)).statusCode).toBe(400);
    expect((await owner.put(url, { role: "viewer" })).statusCode).toBe(400);
    expect(await membersOf(team)).toMatchObject({ [team.owner.id]: "owner" });
  });

  it("tells nothing of someone the owner shares no cell with, but to admins", async () => {
    const team = await newTeam(api, "public");
    const { stranger } = team;
    const url = `/api/cell/${team.id}/users/${stranger.id}`;
    for (const body of [undefined, { role: "viewer" }, { role: "owner" }]) {
      const answer = await as(api, team.owner).put(url, body);
      expect(answer.statusCode).toBe(404);
      expect(answer.json().message).toBe("User not found");
      expect(answer.body).not.toContain(stranger.email);
    }
    expect((await as(api, team.admin).put(url)).json()).toMatchObject({ user: personOf(stranger) });
  });

  it.each(["viewer", "editor"] as const)("lets a %s leave", async (who) => {
    const team = await newTeam(api, "private");
    const member = as(api, team[who]);
    const url = `/api/cell/${team.id}/users/${team[who].id}`;
    expect((await member.delete(url)).statusCode).toBe(200);
    expect(await membersOf(team)).not.toHaveProperty(team[who].id);
    expect((await member.delete(url)).statusCode).toBe(404);
  });

  it("answers 404 for a user that there is not, and 400 for what is no user's number", async () => {
    const team = await newTeam(api, "public");
    const owner = as(api, team.owner);
    const nobody = "00000000-0000-4000-8000-000000000000";
    expect((await owner.put(`/api/cell/${team.id}/users/${nobody}`)).statusCode).toBe(404);
    expect((await owner.delete(`/api/cell/${team.id}/users/${nobody}`)).statusCode).toBe(404);
    expect((await owner.put(`/api/cell/${team.id}/users/7`)).statusCode).toBe(400);
  });
});

describe("POST /api/cell/{id}/users", () => {
  it("shares with these and nobody else; who had a role keeps it", async () => {
    const team = await newTeam(api, "public");
    await acquaint(api, team.owner, team.stranger);
    const user_ids = [
      team.viewer.id.toUpperCase(),
      team.stranger.id,
      team.owner.id,
      team.viewer.id,
    ];
    const answer = await as(api, team.owner).post(`/api/cell/${team.id}/users`, { user_ids });
    expect(answer.statusCode).toBe(200);
    expect(await membersOf(team)).toEqual({
      [team.owner.id]: "owner",
      [team.viewer.id]: "viewer",
      [team.stranger.id]: "editor",
    });
  });

  it("changes nothing when one of them is not there, or not known to the owner", async () => {
    const team = await newTeam(api, "public");
    const before = await membersOf(team);
    for (const id of ["00000000-0000-4000-8000-000000000000", team.stranger.id]) {
      const user_ids = [team.editor.id, id];
      const answer = await as(api, team.owner).post(`/api/cell/${team.id}/users`, { user_ids });
      expect(answer.statusCode).toBe(404);
      expect(answer.json().message).toBe("User not found");
    }
    expect(await membersOf(team)).toEqual(before);
  });

  it("takes the same users in any order, many times at once", async () => {
    const team = await newTeam(api, "public");
    const friends = await Promise.all(Array.from({ length: 8 }, () => newUser(api)));
    for (const friend of friends) await acquaint(api, team.owner, friend);
    const ids = friends.map(({ id }) => id);
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => {
        const turned = [...ids.slice(at % 8), ...ids.slice(0, at % 8)];
        const user_ids = at % 2 ? turned : turned.toReversed();
        return await as(api, team.owner).post(`/api/cell/${team.id}/users`, { user_ids });
      }),
    );
    expect(statusesOf(answers)).toEqual(new Set([200]));
    expect(Object.keys(await membersOf(team)).sort()).toEqual([team.owner.id, ...ids].sort());
  });
});

describe("many changes at once", () => {
  it("refuse a former owner whatever comes after the hand-over", async () => {
    const team = await newTeam(api, "private");
    const friends = await Promise.all(Array.from({ length: 32 }, () => newUser(api)));
    const answers = await Promise.all(
      friends.map(({ email }) =>
        as(api, team.owner).post(`/api/cell/${team.id}/share`, { email, role: "owner" }),
      ),
    );
    expect(statusesOf(answers)).toEqual(new Set([200, 403]));
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
    const audit = (await as(api, team.admin).get(`/api/cell/${team.id}/audit`)).json<Audit>();
    expect(audit.entries.map(({ action }) => action)).toEqual(["hand_over"]);
    expect(Object.keys(await membersOf(team))).toHaveLength(4);
  });

  it("answer 404 for a cell that is deleted meanwhile", async () => {
    const team = await newTeam(api, "public");
    const [owner, url] = [as(api, team.owner), `/api/cell/${team.id}`];
    const { email } = team.stranger;
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => owner.put(url, { location: "here" })),
      owner.delete(url),
      ...Array.from({ length: 10 }, () => owner.post(`${url}/share`, { email, role: "owner" })),
    ]);
    for (const { statusCode } of answers) expect([200, 403, 404]).toContain(statusCode);
  });

  it("answer 404 for a hand-over that waited for the deletion", async () => {
    const team = await newTeam(api, "public");
    const { email } = team.stranger;
    const handOver = await api.db.transaction().execute(async (transaction) => {
      await deleteCell(transaction, team.id);
      const waiting = as(api, team.admin).post(`/api/cell/${team.id}/share`, {
        email,
        role: "owner",
      });
      await waitUntil(async () => (await countLockedOut()) > 0);
      return { waiting };
    });
    expect((await handOver.waiting).statusCode).toBe(404);
  });
});

describe.each([
  ["public", "editor", 403],
  ["public", "viewer", 403],
  ["public", "stranger", 403],
  ["public", "nobody", 401],
  ["private", "editor", 403],
  ["private", "stranger", 404],
  ["private", "nobody", 401],
] as const)("of a %s cell", (visibility, who, status) => {
  it(`its ${who} shares nothing`, async () => {
    const team = await newTeam(api, visibility);
    const { id: friend, email } = await newUser(api);
    const caller = as(api, team[who]);
    const cell = `/api/cell/${team.id}`;
    const added = await rowsAdded(api.db, async () => {
      for (const answer of [
        await caller.post(`${cell}/share`, { email }),
        await caller.post(`${cell}/share`, { email: team.editor.email, role: "owner" }),
        await caller.post(`${cell}/users`, { user_ids: [friend] }),
        await caller.put(`${cell}/users/${friend}`),
        await caller.delete(`${cell}/users/${team.owner.id}`),
      ])
        expect(answer.statusCode).toBe(status);
    });
    expect(added).toEqual({});
  });
});

describe("GET /api/users/{user}/cells", () => {
  it("lists the cells that a user has a role on, to themselves and to admins", async () => {
    const [open, secret] = [await newTeam(api, "public"), await newTeam(api, "private")];
    const { viewer } = secret;
    await as(api, open.owner).post(`/api/cell/${open.id}/share`, { email: viewer.email });
    for (const who of [viewer, open.admin]) {
      const answer = await as(api, who).get(`/api/users/${viewer.id.toUpperCase()}/cells`);
      expect(answer.json()).toMatchObject({
        user: personOf(viewer),
        cells: [
          { id: open.id, role: "editor" },
          { id: secret.id, role: "viewer" },
        ],
      });
    }
  });

  it("answers others the same, whether there is such a user or not", async () => {
    const [ada, grace] = [await newUser(api), await newUser(api)];
    const nobody = "00000000-0000-4000-8000-000000000000";
    for (const id of [grace.id, nobody]) {
      expect((await as(api, ada).get(`/api/users/${id}/cells`)).statusCode).toBe(403);
      expect((await api.get(`/api/users/${id}/cells`)).statusCode).toBe(401);
    }
    const admin = await newUser(api, { admin: true });
    expect((await as(api, admin).get(`/api/users/${nobody}/cells`)).statusCode).toBe(404);
    expect((await as(api, ada).get("/api/users/7/cells")).statusCode).toBe(400);
  });
});
