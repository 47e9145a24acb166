import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { rowsAdded } from "../support/rows.ts";
import { newTeam } from "../support/team.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

interface Tag {
  readonly id: number;
  readonly name: string;
  readonly cell_count: number;
}

async function newTag(client: ReturnType<typeof as>, name: string): Promise<number> {
  const answer = await client.post("/api/tag/", { name, description: "d" });
  expect(answer.statusCode).toBe(201);
  return answer.json<{ tag: Tag }>().tag.id;
}

describe("/api/tag", () => {
  it("makes a tag of the caller's, and shows it to anyone", async () => {
    const user = await newUser(api);
    const answer = await as(api, user).post("/api/tag/", {
      name: " wet ",
      description: "often",
      id: 99,
      created_by: null,
    });
    expect(answer.statusCode).toBe(201);
    const tag = {
      id: expect.any(Number),
      name: "wet",
      description: "often",
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      created_by: user.id,
      cell_count: 0,
    };
    expect(answer.json()).toEqual({ message: "Tag created successfully", tag });
    const { id } = answer.json<{ tag: Tag }>().tag;
    expect(id).not.toBe(99);
    expect((await api.get(`/api/tag/${id}`)).json()).toEqual(tag);
    expect((await api.get("/api/tag/")).json()).toEqual([tag]);
  });

  it("takes forms, and finds tags by what their names contain", async () => {
    const ada = as(api, await newUser(api));
    for (const name of ["Zeta 50%", "alpha 50"]) await ada.form("POST", "/api/tag", { name });
    const found = async (search: string) =>
      (await api.get(`/api/tag?search=${search}`)).json<Tag[]>().map(({ name }) => name);
    expect(await found("50")).toEqual(["alpha 50", "Zeta 50%"]);
    expect(await found("50%25")).toEqual(["Zeta 50%"]);
    expect(await found("ALPHA")).toEqual(["alpha 50"]);
  });

  it("refuses a name that is taken, whoever has it", async () => {
    const id = await newTag(as(api, await newUser(api)), "taken");
    const other = as(api, await newUser(api));
    const mine = await newTag(other, "free");
    for (const answer of [
      await other.post("/api/tag/", { name: " TAKEN " }),
      await other.put(`/api/tag/${mine}`, { name: "Taken" }),
    ]) {
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ message: "Tag with this name already exists" });
    }
    expect(id).not.toBe(mine);
  });

  it.each([{}, { name: " " }, { name: 1 }, { name: "x", description: 1 }])(
    "answers 400 for %j",
    async (body) => {
      const ada = as(api, await newUser(api));
      const added = await rowsAdded(api.db, async () => {
        expect((await ada.post("/api/tag/", body)).statusCode).toBe(400);
      });
      expect(added).toEqual({});
    },
  );

  it("answers 404 for a tag that there is not", async () => {
    const ada = as(api, await newUser(api));
    for (const answer of [
      await api.get("/api/tag/9999"),
      await api.get("/api/tags/9999/cells"),
      await ada.put("/api/tag/9999", { name: "x" }),
      await ada.delete("/api/tag/9999"),
    ])
      expect([answer.statusCode, answer.json().message]).toEqual([404, "Tag not found"]);
  });

  it("lets its creator and admins change and delete it, and nobody else", async () => {
    const [creator, stranger] = [await newUser(api), await newUser(api)];
    const admin = await newUser(api, { admin: true });
    const id = await newTag(as(api, creator), "guarded");
    const statuses = async (who: Parameters<typeof as>[1]) => [
      (await as(api, who).put(`/api/tag/${id}`, { description: null })).statusCode,
      (await as(api, who).delete(`/api/tag/${id}`)).statusCode,
    ];
    const added = await rowsAdded(api.db, async () => {
      expect(await statuses(undefined)).toEqual([401, 401]);
      expect(await statuses(stranger)).toEqual([403, 403]);
    });
    expect(added).toEqual({});
    const renamed = await as(api, creator).put(`/api/tag/${id}`, { name: "watched" });
    expect(renamed.json()).toMatchObject({
      message: "Tag updated successfully",
      tag: { id, name: "watched", description: "d" },
    });
    expect(await statuses(admin)).toEqual([200, 200]);
    expect((await api.get(`/api/tag/${id}`)).statusCode).toBe(404);
    const again = await newTag(as(api, creator), "brief");
    expect((await as(api, creator).delete(`/api/tag/${again}`)).json()).toEqual({
      message: "Tag deleted successfully",
    });
  });

  it("takes its tag off all cells when it goes", async () => {
    const { id: cell, owner } = await newTeam(api, "public");
    const tag = await newTag(as(api, owner), "going");
    await as(api, owner).put(`/api/cell/${cell}/tags/${tag}`);
    const added = await rowsAdded(api.db, () => as(api, owner).delete(`/api/tag/${tag}`));
    expect(added).toEqual({ tag: -1, cell_tag: -1, audit: 1 });
  });
});

describe("GET /api/tags/{id}/cells", () => {
  it("lists the cells, and counts those alone that the caller may read", async () => {
    const open = await newTeam(api, "public");
    const secret = await newTeam(api, "private");
    const tag = await newTag(as(api, open.owner), "shared tag");
    await as(api, open.owner).put(`/api/cell/${open.id}/tags/${tag}`);
    await as(api, secret.owner).put(`/api/cell/${secret.id}/tags/${tag}`);
    for (const [who, ids] of [
      [undefined, [open.id]],
      [open.owner, [open.id]],
      [secret.viewer, [open.id, secret.id]],
      [secret.admin, [open.id, secret.id]],
    ] as const) {
      const answer = (await as(api, who).get(`/api/tags/${tag}/cells`)).json<{
        tag: Tag;
        cells: { id: number }[];
      }>();
      expect(answer.cells.map(({ id }) => id)).toEqual(ids);
      expect(answer.tag.cell_count).toBe(ids.length);
      const alone = (await as(api, who).get(`/api/tag/${tag}`)).json<Tag>();
      expect(alone.cell_count).toBe(ids.length);
    }
  });
});
