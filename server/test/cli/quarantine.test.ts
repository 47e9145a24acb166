import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { sql } from "kysely";
import { listDeeds } from "../../src/store/audit.ts";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { readSensor } from "../support/cells.ts";
import { newestUpload, sentTs, uploadVoltage } from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const missing = 999;

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: string[]): Promise<Finished> {
  const options = { env: { ...process.env, DATABASE_URL: api.databaseUrl } };
  return await promisify(execFile)(process.execPath, [program, ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Finished) => error,
  );
}

const quarantine = async (...args: string[]) => await run("quarantine", ...args);

/** Two uploads for a cell that is missing and one that is nothing; answers their numbers. */
async function fill(): Promise<number[]> {
  const ids: number[] = [];
  for (const value of [1, 2]) {
    await uploadVoltage(api, missing, { value });
    ids.push(await newestUpload(api.db));
  }
  await api.postHex("ffff");
  return [...ids, await newestUpload(api.db)];
}

beforeEach(async () => {
  await sql`truncate quarantine`.execute(api.db);
});

describe("ents-backend quarantine list and show", () => {
  it("list what there is, the newest first, filtered", async () => {
    const [first, second, nothing] = await fill();
    const { stdout } = await quarantine("list");
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => line.split(/ +/)[0])).toEqual(
      ["id", nothing, second, first].map(String),
    );
    expect(lines[2]).toMatch(/ 999 .* unknown_cell +there is no cell 999/);
    const some = await quarantine("list", "--cell", "999", "--limit", "1");
    expect(some.stdout).toMatch(/… and 1 older ones/);
    const json = await quarantine("list", "--code", "undecodable", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject([{ id: nothing, code: "undecodable" }]);
  });

  it("show what one says", async () => {
    const [first] = await fill();
    const { stdout } = await quarantine("show", String(first));
    expect(JSON.parse(stdout)).toMatchObject({
      id: first,
      hex: expect.stringMatching(/^[0-9a-f]+$/),
      decoded: { measurements: [{ cell: { id: missing }, ts: sentTs }] },
    });
    const none = await quarantine("show", "123456");
    expect(none).toMatchObject({ code: 1, stdout: "" });
    expect(none.stderr).toMatch("There is no such upload in quarantine");
  });
});

describe("ents-backend quarantine replay", () => {
  it("stores what has its cell by now as of when it came, and says what is still refused", async () => {
    const [, , nothing] = await fill();
    const made = await run("cell", "create", "wanted", "--id", "999");
    expect(made.stdout).toMatch("Made cell 999, wanted");
    const replayed = await quarantine("replay", "--all");
    expect(replayed).toMatchObject({ code: 1 });
    expect(replayed.stdout).toMatch(
      "Replayed 2 uploads: 1 new readings, 0 that were there, 1 conflicting.",
    );
    expect(replayed.stdout).toMatch(new RegExp(`Still refused: 1\n  ${nothing}: the body is not`));
    const read = await readSensor(api, missing, ["POWER_VOLTAGE", "Voltage"], { stream: "true" });
    expect([read.timestamp, read.data]).toEqual([[api.now], [1]]);
    expect(await listDeeds(api.db, { limit: 3 })).toMatchObject([
      { action: "replay", actor: "command line", details: { refused: "undecodable" } },
      { action: "replay", cell_id: missing, details: { conflicting: 1 } },
      { action: "replay", cell_id: missing, details: { stored: 1 } },
    ]);
  });

  it("takes nothing in that nobody invited when it is told to take all, and makes nothing for it", async () => {
    await createCell(api.db, { name: "with a key", uploadPolicy: "key" });
    await api.postJson("/api/power/", { cell: "with a key", ts: sentTs, v: 99, i: 9 });
    await api.postJson("/api/power/", { cell: "made up", ts: sentTs, v: 1, i: 1 });
    const added = await rowsAdded(api.db, async () => {
      const { code, stdout } = await quarantine("replay", "--all", "--json");
      expect([code, JSON.parse(stdout)]).toMatchObject([1, { replayed: 0, stored: 0 }]);
    });
    expect(added).toEqual({ audit: 1 });
    const asked = await quarantine("replay", "--cell", "with a key", "--json");
    expect(JSON.parse(asked.stdout)).toMatchObject({ replayed: 1, stored: 2 });
  });

  it("makes the cell that an older form names, as nobody's", async () => {
    await api.postJson("/api/power/", { cell: "named", ts: sentTs, v: 1, i: 1 });
    const { code, stdout } = await quarantine("replay", "--cell", "NAMED", "--json");
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { replayed: 1, stored: 2 }]);
    const cells = await api.db
      .selectFrom("cell")
      .select("user_id")
      .where("name", "=", "named")
      .execute();
    expect(cells).toEqual([{ user_id: null }]);
  });

  it("wants to be told which, in one way", async () => {
    const [first] = await fill();
    const added = await rowsAdded(api.db, async () => {
      expect((await quarantine("replay")).stderr).toMatch("say which uploads");
      const both = await quarantine("replay", String(first), "--all");
      expect(both.stderr).toMatch("don't go together");
    });
    expect(added).toEqual({});
  });
});

describe("ents-backend quarantine discard", () => {
  it("discards one that is named, and more than one with --yes only", async () => {
    const [first] = await fill();
    expect((await quarantine("discard", String(first))).stdout).toBe("Discarded 1 upload.\n");
    const refused = await rowsAdded(api.db, async () => {
      const { code, stderr } = await quarantine("discard", "--all");
      expect([code, stderr]).toEqual([1, expect.stringMatching("discard 2 uploads for good")]);
    });
    expect(refused).toEqual({});
    const added = await rowsAdded(api.db, async () => {
      expect((await quarantine("discard", "--all", "--yes")).code).toBe(0);
    });
    expect(added).toEqual({ quarantine: -2, audit: 2 });
    expect(await listDeeds(api.db, { limit: 1 })).toMatchObject([
      { action: "delete", object_type: "upload", details: { code: "undecodable" } },
    ]);
  });
});

describe("ents-backend cell create --id", () => {
  it("says in a sentence why a number won't do", async () => {
    const taken = await run("cell", "create", "second", "--id", "999");
    expect(taken).toMatchObject({ code: 1, stdout: "" });
    expect(taken.stderr).toMatch("number 999 is that of another cell, wanted");
    expect((await run("cell", "create", "zero", "--id", "0")).stderr).toMatch("from 1");
  });
});

describe("ents-backend logger list", () => {
  it("counts what came second from registered loggers and others", async () => {
    expect((await run("logger", "create", "registered")).code).toBe(0);
    const { stdout } = await run("logger", "list", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      registered: [{ name: "registered", conflicts: 0 }],
      unregistered: [{ id: 7, conflicts: 1 }],
    });
    expect((await run("logger", "list")).stdout).toMatch(/7: cells 999, .*1 conflicting readings/);
  });
});
