import { assert, oneof, property, stringMatching } from "fast-check";
import { sql } from "kysely";
import { afterAll, describe, expect, it } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { faultOf } from "../../src/db/fault.ts";
import { KnownError } from "../../src/lib/errors.ts";
import { useDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";

const database = useDatabase();
const others: Db[] = [];
afterAll(async () => {
  for (const db of others) await db.destroy();
});

function connectTo(url: string): Db {
  const db = connect(url, silentLog);
  others.push(db);
  return db;
}

/** The same server, reached with another part of its address. */
function elsewhere(change: (url: URL) => void): Db {
  const url = new URL(database.url);
  change(url);
  return connectTo(url.href);
}

const raise = (code: string) => sql`do ${sql.raw(`$$ begin raise sqlstate '${code}'; end $$`)}`;

describe("what a failed statement says", () => {
  it.each([
    ["a division by zero", "refused", sql`select 1 / 0`],
    ["text that is no number", "refused", sql`select 'x'::int`],
    ["a row that is there", "refused", sql`insert into deleted_cell values (1), (1)`],
    ["what our functions raise", "refused", sql`do $$ begin raise exception 'no'; end $$`],
    ["a table that isn't there", "broken", sql`select from no_such_table`],
    ["a statement that isn't one", "broken", sql`nonsense`],
    ["a damaged table", "broken", raise("XX001")],
    ["a disk that is full", "away", raise("53100")],
    ["a server that stops", "away", raise("57P01")],
    ["a statement that takes too long", "away", raise("57014")],
    ["a lock that isn't free", "away", raise("55P03")],
    ["a collision", "away", raise("40P01")],
    ["a transaction that may write nothing", "away", raise("25006")],
  ])("%s: %s", async (_, fault, query) => {
    const error = await query.execute(database.db).catch((thrown: unknown) => thrown);
    expect(faultOf(error)).toBe(fault);
  });

  it.each([
    ["a port where nobody is", () => connectTo("postgres://nobody@127.0.0.1:1/x")],
    ["a socket that its server has taken away", () => connectTo("postgres:///x?host=/nowhere")],
    ["a name that nobody has", () => connectTo("postgres://nobody@no-such-host.invalid/x")],
    ["a wrong password", () => elsewhere((url) => void (url.password = "wrong"))],
    ["no such database", () => elsewhere((url) => void (url.pathname = "/no_such_database"))],
  ])("%s: away", async (_, open) => {
    const error = await sql`select 1`.execute(open()).catch((thrown: unknown) => thrown);
    expect(faultOf(error)).toBe("away");
  });

  it("a connection that is cut, or closed by ourselves: away", async () => {
    const db = elsewhere(() => undefined);
    const errors = [
      await sql`select pg_terminate_backend(pg_backend_pid())`
        .execute(db)
        .catch((error: unknown) => error),
      await db
        .destroy()
        .then(() => sql`select 1`.execute(db))
        .catch((error: unknown) => error),
    ];
    expect(errors.map(faultOf)).toEqual(["away", "away"]);
  });
});

describe("any other error", () => {
  it("is one of the three, and words that someone sent don't make it an absence", () => {
    const words = "connection terminated, not queryable";
    expect(faultOf(new KnownError("invalid", "unknown_cell", `no cell ${words}`))).toBe("refused");
    expect(faultOf(new TypeError(words))).toBe("refused");
    expect(faultOf(Object.assign(new Error(words), { code: "22P02" }))).toBe("refused");
    expect(faultOf(new Error("what nobody thought of"))).toBe("broken");
    expect(faultOf("no error at all")).toBe("refused");
    const codes = oneof(stringMatching(/^[0-9A-Z]{5}$/), stringMatching(/^E[A-Z_]{2,12}$/));
    assert(
      property(codes, (code) => {
        const fault = faultOf(Object.assign(new Error("x"), { code }));
        expect(["away", "refused", "broken"]).toContain(fault);
        const isRefused = /^(21|22|23|54|P0)[0-9A-Z]{3}$/.test(code);
        expect(fault === "refused").toBe(isRefused);
      }),
    );
  });
});

describe("a connection", () => {
  it.each([
    ["off", "on"],
    ["on", "on"],
    ["remote_apply", "remote_apply"],
  ])("to a server whose synchronous_commit is %s commits %s", async (set, kept) => {
    const db = elsewhere((url) => {
      const options = `${url.searchParams.get("options")} -c synchronous_commit=${set}`;
      url.searchParams.set("options", options);
    });
    const { rows } = await sql`show synchronous_commit`.execute(db);
    expect(rows).toEqual([{ synchronous_commit: kept }]);
  });
});
