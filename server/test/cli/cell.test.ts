import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { createUser } from "../../src/store/users.ts";
import { useDatabase } from "../support/database.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  const options = { env: { ...process.env, DATABASE_URL: database.url, ...env } };
  return await promisify(execFile)(process.execPath, [program, ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Finished) => error,
  );
}

async function rowOf(table: "cell" | "logger", name: string) {
  return await database.db
    .selectFrom(table)
    .selectAll()
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
}

describe("ents-backend cell create", () => {
  it("makes a public cell that takes uploads with a key, and says what that means", async () => {
    const { code, stdout } = await run(["cell", "create", "plain"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Made cell 1, plain \(upload policy key\)[^]*with a key only/);
    expect(await rowOf("cell", "plain")).toMatchObject({
      upload_policy: "key",
      visibility: "public",
      user_id: null,
    });
  });

  it("follows DEFAULT_UPLOAD_POLICY where nothing else is said", async () => {
    const env = { DEFAULT_UPLOAD_POLICY: "open" };
    expect((await run(["cell", "create", "by default"], env)).stdout).not.toMatch(/key/);
    expect(await rowOf("cell", "by default")).toMatchObject({ upload_policy: "open" });
    const said = await run(["cell", "create", "said", "--upload-policy", "key"], env);
    expect(said).toMatchObject({ code: 0, stderr: "" });
    expect(await rowOf("cell", "said")).toMatchObject({ upload_policy: "key" });
  });

  it("gives it to an owner and hides it, and notes that in the audit log", async () => {
    const person = { email: "ada@example.org", firstName: "Ada", lastName: "Example" };
    const { id } = await createUser(database.db, person);
    const options = ["--owner", " ADA@example.org", "--visibility", "private"];
    expect((await run(["cell", "create", "hers", ...options])).code).toBe(0);
    const cell = await rowOf("cell", "hers");
    expect(cell).toMatchObject({ user_id: id, visibility: "private" });
    expect((await run(["logger", "create", "hers", "--owner", person.email])).code).toBe(0);
    expect(await rowOf("logger", "hers")).toMatchObject({ user_id: id });
    const deeds = await database.db
      .selectFrom("audit")
      .select(["actor", "action", "object_type", "cell_id"])
      .orderBy("id", "desc")
      .limit(2)
      .execute();
    expect(deeds).toEqual([
      { actor: "command line", action: "create", object_type: "logger", cell_id: null },
      { actor: "command line", action: "create", object_type: "cell", cell_id: cell.id },
    ]);
    const list = await run(["cell", "list", "--json"]);
    expect(JSON.parse(list.stdout)).toContainEqual(expect.objectContaining({ name: "hers" }));
  });

  it("makes nothing for an owner that there is not, nor under a name that is taken", async () => {
    const unknown = await run(["cell", "create", "x", "--owner", "x@example.org"]);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stderr).toMatch("User with email x@example.org not found");
    expect(await run(["cell", "create", "once"])).toMatchObject({ code: 0, stderr: "" });
    const taken = await run(["cell", "create", "ONCE"]);
    expect(taken).toMatchObject({ code: 1 });
    expect(taken.stderr).toMatch("Duplicate cell name");
  });
});
