import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { as, type Client } from "../support/as.ts";
import { newKey } from "../support/keys.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";
import { newTeam, type Team } from "../support/team.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

const ts = 1_705_316_400;
const missing = 999_999;
let secret: Team;
let open: Team;
let tag = 0;

beforeAll(async () => {
  secret = await newTeam(api, "private");
  open = await newTeam(api, "public");
  for (const { id: cellId } of [secret, open]) {
    const meta = { cellId, ts };
    const measurements = [1, 2, 4, 10].map((type) => ({ meta, type, value: decimal(2) }));
    const answer = await api.postBytes(encodeVersion2(measurements), version2);
    expect(answer.statusCode).toBe(200);
  }
  const made = await as(api, secret.owner).post("/api/tag/", { name: "secret things" });
  tag = made.json<{ tag: { id: number } }>().tag.id;
  await as(api, secret.owner).put(`/api/cell/${secret.id}/tags/${tag}`);
});

const range = "resample=none&startTime=0&timestamps=unix";

/** What is read of a cell. */
const reads: readonly (readonly [what: string, url: (cell: number) => string])[] = [
  ["power", (cell) => `/api/power/${cell}?${range}`],
  ["teros", (cell) => `/api/teros/${cell}?${range}`],
  [
    "a sensor",
    (cell) => `/api/sensor/?name=BME280_TEMP&measurement=Temperature&cellId=${cell}&${range}`,
  ],
  [
    "a sensor of sensor_json",
    (cell) => `/api/sensor_json/?name=BME280_TEMP&measurement=Temperature&cellId=${cell}&${range}`,
  ],
  ["the sensors", (cell) => `/api/cell/${cell}/sensors`],
  ["the catalog", (cell) => `/api/catalog/sensors?cell_id=${cell}`],
  ["the availability", (cell) => `/api/data-availability/?cell_ids=${cell}`],
  ["the cells with its name", (cell) => `/api/cell/?name=${nameOf(cell)}`],
  ["the cell", (cell) => `/api/cell/${cell}`],
  ["the tags", (cell) => `/api/cell/${cell}/tags`],
];

function nameOf(cell: number): string {
  return encodeURIComponent([secret, open].find(({ id }) => id === cell)?.name ?? "nothing");
}

/** What strangers are told of a private cell: that there is none, or a list without it. */
function hidden(what: string): unknown[] {
  if (what === "the cells with its name") return [200, "[]"];
  return [404, expect.stringContaining("Cell not found")];
}

/** Status and body, whatever number the cell has. */
async function look(client: Client, cell: number, url: (cell: number) => string) {
  const { statusCode, body } = await client.get(url(cell));
  return [statusCode, body.replaceAll(String(cell), "N")];
}

describe.each(reads)("%s of a private cell", (what, url) => {
  it.each(["nobody", "stranger"] as const)("isn't there for %s", async (who) => {
    expect(await look(as(api, secret[who]), secret.id, url)).toEqual(hidden(what));
  });

  it("isn't there for a key without the scope to read", async () => {
    const client = as(api, await newKey(api, secret.owner, ["upload", "manage"]));
    expect(await look(client, secret.id, url)).toEqual(hidden(what));
  });

  it.each(["owner", "editor", "viewer", "admin"] as const)("is there for its %s", async (who) => {
    const client = as(api, secret[who]);
    const [status, body] = await look(client, secret.id, url);
    expect(status).toBe(200);
    expect(body).not.toEqual((await look(client, missing, url))[1]);
  });

  it("is there for a member's key with the scope to read", async () => {
    const client = as(api, await newKey(api, secret.viewer, ["read"]));
    const seen = await look(client, secret.id, url);
    expect(seen[0]).toBe(200);
    if (what !== "the cell" && what !== "the cells with its name")
      expect(seen).toEqual(await look(as(api, secret.owner), secret.id, url));
  });

  it("is gone for who was a member", async () => {
    const former = await newUser(api);
    const { owner, id } = secret;
    await as(api, owner).post(`/api/cell/${id}/share`, { email: former.email, role: "viewer" });
    const client = as(api, former);
    expect(await look(client, id, url)).not.toEqual(hidden(what));
    await as(api, owner).delete(`/api/cell/${id}/users/${former.id}`);
    expect(await look(client, id, url)).toEqual(hidden(what));
  });
});

describe("lists", () => {
  it.each([
    ["nobody", [false, true]],
    ["stranger", [false, true]],
    ["viewer", [true, true]],
    ["admin", [true, true]],
  ] as const)("hold for %s what they may see", async (who, seen) => {
    for (const url of ["/api/cell/", "/api/cell/id"]) {
      const cells = (await as(api, secret[who]).get(url)).json<{ id: number }[]>();
      const ids = cells.map(({ id }) => id);
      expect([url, [secret, open].map(({ id }) => ids.includes(id))]).toEqual([url, seen]);
    }
  });

  it("hold with ?user=true what one has a role on, also for an admin", async () => {
    const own = async (who: "viewer" | "stranger" | "admin") =>
      (await as(api, secret[who]).get("/api/cell/?user=true"))
        .json<{ id: number; role: string }[]>()
        .map(({ id, role }) => [id, role]);
    expect(await own("viewer")).toEqual([[secret.id, "viewer"]]);
    expect(await own("stranger")).toEqual([]);
    expect(await own("admin")).toEqual([]);
  });

  it("hold a private cell for no tag that strangers ask for", async () => {
    const { stranger, viewer } = secret;
    const url = `/api/cell/?tags=${tag}`;
    expect((await as(api, stranger).get(url)).json()).toEqual([]);
    expect((await as(api, viewer).get(url)).json()).toMatchObject([{ id: secret.id }]);
  });

  it("have a span of time only of what one may read", async () => {
    const both = `/api/data-availability/?cell_ids=${secret.id},${missing}`;
    expect((await as(api, secret.stranger).get(both)).statusCode).toBe(404);
    expect((await as(api, secret.viewer).get(both)).json()).toMatchObject({ message: "success" });
  });
});

describe("a private cell that is changed", () => {
  it("is not there for strangers, and for nobody needs a login", async () => {
    for (const [who, status] of [
      ["stranger", 404],
      ["nobody", 401],
    ] as const) {
      const client = as(api, secret[who]);
      const url = `/api/cell/${secret.id}`;
      for (const answer of [
        await client.put(url, { location: "x" }),
        await client.delete(url),
        await client.post(`${url}/tags`, { tag_ids: [] }),
        await client.put(`${url}/tags/${tag}`),
        await client.delete(`${url}/tags/${tag}`),
        await client.get(`${url}/audit`),
      ])
        expect(answer.statusCode).toBe(status);
    }
  });

  it("becomes public, and private again, at its owner's word", async () => {
    const { id, owner } = await newTeam(api, "private");
    const url = `/api/cell/${id}`;
    expect((await api.get(url)).statusCode).toBe(404);
    await as(api, owner).put(url, { visibility: "public" });
    expect((await api.get(url)).statusCode).toBe(200);
    await as(api, owner).put(url, { visibility: "private" });
    expect((await api.get(url)).statusCode).toBe(404);
  });
});
