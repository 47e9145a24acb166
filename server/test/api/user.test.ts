import { describe, expect, it } from "vitest";
import { newApiKey } from "../../src/auth/keys.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { listDeeds } from "../../src/store/audit.ts";
import { findUserByEmail } from "../../src/store/users.ts";
import { useApi } from "../support/api.ts";
import { newUser } from "../support/users.ts";

const api = useApi();

const change = async (headers: Record<string, string>, payload: object | string) =>
  await api.inject({ method: "PUT", url: "/api/user", headers, payload });

async function keyOf(userId: string, scopes: string[]): Promise<Record<string, string>> {
  const key = newApiKey();
  const { now } = api;
  const name = scopes.join();
  await createApiKey(api.db, { userId, name, key, shownLength: 12, scopes, now });
  return { "x-api-key": key };
}

describe("/user", () => {
  it("shows somebody their own account, and nothing that is secret", async () => {
    const { email, headers } = await newUser(api);
    const answer = await api.inject({ url: "/api/user", headers });
    expect(answer.json()).toEqual({ email, first_name: "Test", last_name: "User" });
  });

  it("changes names, trimmed, by JSON and by form, one or both", async () => {
    const { id, email, headers } = await newUser(api);
    const both = await change(headers, { first_name: " Ada ", last_name: "Lovelace " });
    expect(both.json()).toEqual({ email, first_name: "Ada", last_name: "Lovelace" });
    const form = { ...headers, "content-type": "application/x-www-form-urlencoded" };
    const one = await change(form, "first_name=Augusta");
    expect(one.json()).toEqual({ email, first_name: "Augusta", last_name: "Lovelace" });
    expect((await change(headers, {})).statusCode).toBe(200);
    const deeds = await listDeeds(api.db, { limit: 1 });
    expect(deeds).toMatchObject([{ action: "update", account_id: id, object_id: id }]);
  });

  it("changes nothing else, whatever the body says", async () => {
    const victim = await newUser(api);
    const { id, email, headers } = await newUser(api);
    const more = { id: victim.id, user_id: victim.id, email: "x@y.org", admin: true };
    const answer = await change(headers, { first_name: "A", ...more, password_hash: "x" });
    expect(answer.json()).toMatchObject({ email, first_name: "A" });
    const stored = await findUserByEmail(api.db, email);
    expect(stored).toMatchObject({ id, admin: false, password_hash: null });
    expect(await findUserByEmail(api.db, victim.email)).toMatchObject({ first_name: "Test" });
  });

  it.each([
    ["first_name", " "],
    ["first_name", 5],
    ["last_name", "a\u0000b"],
  ])("names %s when it is %j", async (field, value) => {
    const { headers } = await newUser(api);
    const answer = await change(headers, { [field]: value });
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ message: string }>().message).toMatch(field);
  });

  it("is there for keys as far as they reach, and not for nobody", async () => {
    const { id } = await newUser(api);
    const [read, manage, upload] = [
      await keyOf(id, ["read"]),
      await keyOf(id, ["read", "manage"]),
      await keyOf(id, ["upload"]),
    ];
    const statuses = async (headers: Record<string, string>) => [
      (await api.inject({ url: "/api/user", headers })).statusCode,
      (await change(headers, { first_name: "A" })).statusCode,
    ];
    expect(await statuses(read)).toEqual([200, 403]);
    expect(await statuses(manage)).toEqual([200, 200]);
    expect(await statuses(upload)).toEqual([403, 403]);
    expect(await statuses({})).toEqual([401, 401]);
    const nobody = await api.get("/api/user");
    expect(nobody.json()).toMatchObject({
      msg: "No token or API key provided",
      message: "No token or API key provided",
    });
  });
});
