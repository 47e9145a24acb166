import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkPassword } from "../../src/auth/passwords.ts";
import { listDeeds } from "../../src/store/audit.ts";
import { createSession, findSession } from "../../src/store/sessions.ts";
import { findUserByEmail } from "../../src/store/users.ts";
import { useDatabase } from "../support/database.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const password = "a password of some length";

async function run(args: string[], input = "") {
  const child = spawn(process.execPath, [program, "user", ...args], {
    env: { ...process.env, DATABASE_URL: database.url },
  });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number]>,
  ]);
  return { stdout, stderr, code };
}

const hashOf = async (email: string) => (await findUserByEmail(database.db, email))?.password_hash;

describe("ents-backend user", () => {
  it("makes an account with the password on standard input", async () => {
    const names = ["--first-name", "Ada", "--last-name", "Lovelace"];
    const made = await run(["create", "ada@example.org", ...names, "--admin"], `${password}\n`);
    expect(made).toEqual({ code: 0, stdout: "Made admin ada@example.org.\n", stderr: "" });
    expect(await checkPassword(password, await hashOf("ada@example.org"))).toBe(true);
    const found = await findUserByEmail(database.db, "ada@example.org");
    expect(found).toMatchObject({ first_name: "Ada", admin: true, email_verified: true });
    expect(await listDeeds(database.db, { limit: 1 })).toMatchObject([
      { actor: "command line", action: "create", object_type: "user", object_id: found!.id },
    ]);
  });

  it("generates a password, and prints it once", async () => {
    const { stdout } = await run(["create", "bob@example.org", "--first-name", "B", "--generate"]);
    const [, generated] = /^Password: (\S{20})$/m.exec(stdout)!;
    expect(await checkPassword(generated!, await hashOf("bob@example.org"))).toBe(true);
    expect((await run(["list", "--json"])).stdout).not.toContain(generated);
  });

  it("lists users, without their hashes", async () => {
    const { stdout } = await run(["list"]);
    expect(stdout).toMatch(/ada@example.org +Ada +Lovelace +true/);
    expect(stdout).not.toMatch(/argon2/);
    expect(JSON.parse((await run(["list", "--json"])).stdout)).toHaveLength(2);
  });

  it("sets a password, and ends the sessions of its user", async () => {
    const { id } = (await findUserByEmail(database.db, "ada@example.org"))!;
    const { session } = await createSession(database.db, id, Date.now() / 1000);
    const { code } = await run(["set-password", "ADA@example.org"], "another password, as long");
    expect(code).toBe(0);
    const hash = await hashOf("ada@example.org");
    expect(await checkPassword("another password, as long", hash)).toBe(true);
    expect(await findSession(database.db, session.id)).toBeUndefined();
  });

  it("appoints admins, and dismisses them", async () => {
    const isAdmin = async () => (await findUserByEmail(database.db, "bob@example.org"))?.admin;
    expect((await run(["make-admin", "bob@example.org"])).code).toBe(0);
    expect(await isAdmin()).toBe(true);
    expect(await listDeeds(database.db, { limit: 1 })).toMatchObject([{ action: "make_admin" }]);
    await run(["make-admin", "bob@example.org", "--undo"]);
    expect(await isAdmin()).toBe(false);
  });

  it.each([
    [["create", "ada@example.org", "--first-name", "A"], password, /There is an account/],
    [["create", "no address", "--first-name", "A"], password, /an e-mail address/],
    [["create", "c@example.org", "--first-name", "A"], "short", /at least 10 characters/],
    [["create", "c@example.org", "--first-name", "A"], "", /no password/],
    [["set-password", "nobody@example.org"], password, /nobody@example.org not found/],
    [["make-admin", "nobody@example.org"], "", /nobody@example.org not found/],
  ])("says in a sentence why %j with %j won't do", async (args, input, sentence) => {
    const { code, stderr } = await run(args, input);
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split("\n").length).toBeLessThan(4);
  });
});
