import { beforeEach, describe, expect, it } from "vitest";
import { createCell, type UploadPolicy } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { setMember } from "../../src/store/members.ts";
import { useApi } from "../support/api.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();

let owner: TestUser;
let editor: TestUser;
let viewer: TestUser;
let stranger: TestUser;
let admin: TestUser;
let cellId = 0;
let serial = 0;
beforeEach(async () => {
  [owner, editor, viewer, stranger, admin] = await Promise.all([
    newUser(api),
    newUser(api),
    newUser(api),
    newUser(api),
    newUser(api, { admin: true }),
  ]);
  cellId = await newCell("key");
});

type Headers = Readonly<Record<string, string>>;

async function newCell(uploadPolicy: UploadPolicy): Promise<number> {
  const name = `bed ${(serial += 1)}`;
  const { id } = await createCell(api.db, { name, uploadPolicy, userId: owner.id });
  await setMember(api.db, id, editor.id, "editor");
  await setMember(api.db, id, viewer.id, "viewer");
  return id;
}

async function keyOf({ headers }: TestUser, ...scopes: string[]): Promise<Headers> {
  const payload = { name: `${scopes.join()} ${(serial += 1)}`, scopes };
  const made = await api.inject({ method: "POST", url: "/api/keys", headers, payload });
  return { "x-api-key": made.json<{ key: string }>().key };
}

async function upload(headers: Headers, to: number = cellId) {
  const message = formats["version 1"]({ cellId: to });
  return await api.inject({
    method: "POST",
    url: "/api/sensor/",
    ...message,
    headers: { ...message.headers, ...headers },
  });
}

describe("an upload to a cell that wants a key", () => {
  it("is taken from its owner, editors and admins, by token or by a key with the scope upload", async () => {
    const senders = [owner.headers, editor.headers, admin.headers];
    for (const headers of [...senders, await keyOf(owner, "upload"), await keyOf(editor, "upload")])
      expect((await upload(headers)).statusCode).toBe(200);
  });

  it("is forbidden to viewers, strangers, keys without the scope, and keys of admins elsewhere", async () => {
    const senders = [
      viewer.headers,
      stranger.headers,
      await keyOf(owner, "read", "manage"),
      await keyOf(stranger, "upload", "manage"),
      await keyOf(admin, "read", "upload", "manage"),
    ];
    for (const headers of senders) {
      const kept = await quarantinedBy(api.db, async () => {
        const answer = await upload(headers);
        expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([403, "0801"]);
      });
      expect(kept).toMatchObject([{ code: "upload_forbidden" }]);
    }
  });

  it.each([
    ["nothing", {}],
    ["an unknown key", { "x-api-key": "AAAAAAAAAAAAAAAAAAAAAA" }],
    ["a key that is none", { "x-api-key": "hunter2" }],
    ["a token that is none", { authorization: "Bearer x.y.z" }],
    ["another scheme", { authorization: "Basic YTpi" }],
  ])("is refused to who shows %s", async (_, headers: Headers) => {
    const kept = await quarantinedBy(api.db, async () => {
      const answer = await upload(headers);
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([401, "0801"]);
    });
    expect(kept).toMatchObject([{ code: "upload_key_required" }]);
    expect((await upload(headers, await newCell("open"))).statusCode).toBe(200);
  });

  it("is taken by the credential that is good, where another is not", async () => {
    const key = await keyOf(owner, "upload");
    expect((await upload({ ...key, authorization: "Bearer x.y.z" })).statusCode).toBe(200);
    expect((await upload({ ...owner.headers, "x-api-key": "old" })).statusCode).toBe(200);
  });

  it("is refused for a token that has expired", async () => {
    api.now += 15 * 60 + 60;
    expect((await upload(owner.headers)).statusCode).toBe(401);
    api.now -= 15 * 60 + 60;
  });
});

const power = (cell: string, logger?: string) => ({
  cell,
  logger,
  ts: 1,
  v: 1,
  i: 1,
  type: "power",
});

async function send(headers: Headers, payload: object) {
  return await api.inject({ method: "POST", url: "/api/power/", headers, payload });
}

const newName = () => `newcomer ${(serial += 1)}`;

describe("an upload by names that nobody has registered", () => {
  it("makes the cell and the logger, of its sender's, under the default policy", async () => {
    const [cell, logger] = [newName(), newName()];
    for (const headers of [owner.headers, await keyOf(owner, "upload", "manage")])
      expect((await send(headers, power(cell, logger))).statusCode).toBe(200);
    const made = await api.db
      .selectFrom("cell")
      .select(["user_id", "upload_policy", "visibility"])
      .where("name", "=", cell)
      .execute();
    expect(made).toEqual([{ user_id: owner.id, upload_policy: "key", visibility: "public" }]);
    const loggers = await api.db
      .selectFrom("logger")
      .select(["user_id"])
      .where("name", "=", logger)
      .execute();
    expect(loggers).toEqual([{ user_id: owner.id }]);
    const deeds = await api.db
      .selectFrom("audit")
      .select(["action", "object_type"])
      .where("account_id", "=", owner.id)
      .where("object_type", "in", ["cell", "logger"])
      .orderBy("id")
      .execute();
    expect(deeds).toEqual([
      { action: "create", object_type: "cell" },
      { action: "create", object_type: "logger" },
    ]);
  });

  it("makes nothing for nobody, nor for a key that lacks a scope", async () => {
    const senders = [{}, await keyOf(owner, "upload"), await keyOf(owner, "manage")];
    for (const headers of senders) {
      const added = await rowsAdded(api.db, async () => {
        expect((await send(headers, power(newName(), newName()))).statusCode).toBe(400);
      });
      expect(added).toEqual({ quarantine: 1 });
    }
  });

  it("makes no logger for an upload that is refused, and no cell without a name", async () => {
    const { name } = await createCell(api.db, {
      name: newName(),
      uploadPolicy: "key",
      userId: owner.id,
    });
    const added = await rowsAdded(api.db, async () => {
      expect((await send(stranger.headers, power(name, newName()))).statusCode).toBe(403);
      expect((await send(stranger.headers, power("  ", newName()))).statusCode).toBe(400);
    });
    expect(added).toEqual({ quarantine: 2 });
  });

  it("makes one cell of several that come at once", async () => {
    const cell = newName();
    const added = await rowsAdded(api.db, async () => {
      const sent = Array.from({ length: 6 }, async (_, at) =>
        send(owner.headers, { ...power(cell), ts: at }),
      );
      for (const { statusCode } of await Promise.all(sent)) expect(statusCode).toBe(200);
    });
    expect(added).toMatchObject({ cell: 1 });
  });

  it("is bound to a logger by its upload key, which makes nothing", async () => {
    const { id, name } = await createLogger(api.db, { name: newName(), userId: owner.id });
    const made = await api.inject({
      method: "POST",
      url: `/api/logger/${id}/upload-key`,
      headers: owner.headers,
    });
    const key = { "x-api-key": made.json<{ upload_key: string }>().upload_key };
    const cell = `bed ${serial}`;
    await createCell(api.db, { name: cell, uploadPolicy: "key", userId: owner.id }).catch(() => {});
    expect((await send(key, power(cell, name.toUpperCase()))).statusCode).toBe(200);
    expect((await send(key, power(cell, newName()))).statusCode).toBe(403);
    expect((await send(key, power(newName()))).statusCode).toBe(400);
  });
});
