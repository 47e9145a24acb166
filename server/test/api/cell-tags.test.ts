import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { rowsAdded } from "../support/rows.ts";
import { newTeam, type Team } from "../support/team.ts";

const api = useApi();
let serial = 0;

interface Tag {
  readonly id: number;
  readonly name: string;
}

async function newTags({ owner }: Team, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let at = 0; at < count; at++) {
    const answer = await as(api, owner).post("/api/tag/", { name: `tag ${(serial += 1)}` });
    ids.push(answer.json<{ tag: Tag }>().tag.id);
  }
  return ids;
}

describe("/api/cell/{id}/tags", () => {
  it("replaces all tags, adds one and removes one", async () => {
    const team = await newTeam(api, "public");
    const [a, b, c] = await newTags(team, 3);
    const editor = as(api, team.editor);
    const url = `/api/cell/${team.id}/tags`;
    const ids = async () => (await api.get(`${url}/`)).json<Tag[]>().map(({ id }) => id);

    const set = await editor.post(url, { tag_ids: [b, a, b] });
    expect(set.json()).toMatchObject({
      message: "Tags assigned successfully",
      tags: [
        { id: a, cell_count: 1 },
        { id: b, cell_count: 1 },
      ],
    });
    expect(await ids()).toEqual([a, b]);
    expect((await editor.post(url, { tag_ids: [b] })).statusCode).toBe(200);
    expect(await ids()).toEqual([b]);

    const added = await editor.put(`${url}/${c}`);
    expect(added.json()).toMatchObject({
      message: "Tag added to cell successfully",
      tag: { id: c, cell_count: 1 },
    });
    const again = await editor.put(`${url}/${c}`);
    expect([again.statusCode, again.json().message]).toEqual([400, "Tag already assigned to cell"]);

    const removed = await editor.delete(`${url}/${b}`);
    expect(removed.json()).toEqual({ message: "Tag removed from cell successfully" });
    const twice = await editor.delete(`${url}/${b}`);
    expect([twice.statusCode, twice.json().message]).toEqual([
      404,
      "Tag not assigned to this cell",
    ]);
    expect(await ids()).toEqual([c]);
    await editor.form("POST", url, { tag_ids: `${a}, ${b}` });
    expect(await ids()).toEqual([a, b]);
    await editor.post(url, { tag_ids: [] });
    expect(await ids()).toEqual([]);
  });

  it("changes nothing when one of the tags is not there", async () => {
    const team = await newTeam(api, "public");
    const [tag] = await newTags(team, 1);
    const editor = as(api, team.editor);
    await editor.put(`/api/cell/${team.id}/tags/${tag}`);
    const added = await rowsAdded(api.db, async () => {
      const set = await editor.post(`/api/cell/${team.id}/tags`, { tag_ids: [tag, 999_999] });
      expect([set.statusCode, set.json().message]).toEqual([
        400,
        "tag_ids: there is no tag 999999",
      ]);
      const add = await editor.put(`/api/cell/${team.id}/tags/999999`);
      expect([add.statusCode, add.json().message]).toEqual([404, "Tag not found"]);
      const put = await editor.put(`/api/cell/${team.id}`, { name: "no", tag_ids: [999_999] });
      expect(put.statusCode).toBe(400);
    });
    expect(added).toEqual({});
    expect((await api.get(`/api/cell/${team.id}`)).json()).toMatchObject({ name: team.name });
  });

  it("gives a cell a tag once, however often it is asked to at once", async () => {
    const team = await newTeam(api, "public");
    const [tag] = await newTags(team, 1);
    const asked = Array.from({ length: 8 }, () =>
      as(api, team.editor).put(`/api/cell/${team.id}/tags/${tag}`),
    );
    const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(7).fill(400)]);
  });

  it.each([
    ["viewer", 403],
    ["stranger", 403],
    ["nobody", 401],
  ] as const)("shows a public cell's tags to its %s, who changes none", async (who, status) => {
    const team = await newTeam(api, "public");
    const [a, b] = await newTags(team, 2);
    const url = `/api/cell/${team.id}/tags`;
    await as(api, team.owner).put(`${url}/${a}`);
    const caller = as(api, team[who]);
    const added = await rowsAdded(api.db, async () => {
      expect((await caller.get(url)).json()).toMatchObject([{ id: a }]);
      expect((await caller.post(url, { tag_ids: [] })).statusCode).toBe(status);
      expect((await caller.put(`${url}/${b}`)).statusCode).toBe(status);
      expect((await caller.delete(`${url}/${a}`)).statusCode).toBe(status);
    });
    expect(added).toEqual({});
  });

  it.each([{}, { tag_ids: null }, { tag_ids: ["1"] }, { tag_ids: [-1] }])(
    "answers 400 for %j",
    async (body) => {
      const team = await newTeam(api, "public");
      const answer = await as(api, team.owner).post(`/api/cell/${team.id}/tags`, body);
      expect(answer.statusCode).toBe(400);
      expect(answer.json().message).toMatch(/tag_ids/);
    },
  );
});
