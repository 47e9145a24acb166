import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { up as makeReadings } from "../../migrations/2026-11-23-readings.ts";
import { up as makeAccounts } from "../../migrations/2026-11-24-accounts.ts";
import { up as makeRollups } from "../../migrations/2026-11-25-rollups.ts";
import { up as describeQuarantine } from "../../migrations/2026-11-26-quarantine.ts";
import { createEmptyDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterAll(async () => {
  await database.drop();
});

/** What stood in quarantine before: a code, a reason and a body. */
const before: readonly [code: string, reason: string, body: string][] = [
  ["unknown_cell", "there is no cell 4294967295", "ff"],
  ["unknown_cell", 'there is no cell "Plot 7"', "ffff"],
  ["upload_key_required", "cell 12 takes uploads with a key only", ""],
  ["upload_forbidden", 'this key or user may not upload to cell "A (b) 3"', ""],
  ["other_logger", "this upload key belongs to another logger than 9", ""],
  ["undecodable", "the body is not a protobuf cell 5", ""],
];

describe("the quarantine of an older version", () => {
  it("is whole after the migration, and says what its uploads are about as far as it knew", async () => {
    const { db } = database;
    const bare = db as unknown as Kysely<unknown>;
    for (const up of [makeReadings, makeAccounts, makeRollups]) await up(bare);
    for (const [code, reason, body] of before)
      await sql`
        insert into quarantine (received_at, path, format, headers, body, code, reason)
        values (now(), '/', null, '{}', decode(${body}, 'hex'), ${code}, ${reason})`.execute(db);
    await sql`
      insert into audit (at, actor, action, object_type, object_id)
      values (now(), 'user', 'delete', 'cell', '31'), (now(), 'user', 'delete', 'logger', '32')`.execute(
      db,
    );
    await describeQuarantine(bare);
    const rows = await db
      .selectFrom("quarantine")
      .select(["decodes", "keyed", "cell_ids", "cell_names", "worth", "size_bytes"])
      .orderBy("id")
      .execute();
    expect(rows.map((row) => [row.decodes, row.keyed, row.worth])).toEqual([
      [true, false, 1],
      [true, false, 1],
      [true, false, 1],
      [true, true, 2],
      [true, true, 2],
      [false, false, 0],
    ]);
    expect(rows.map((row) => [...row.cell_ids, ...row.cell_names])).toEqual([
      [4_294_967_295],
      ["plot 7"],
      [12],
      ["a (b) 3"],
      [],
      [],
    ]);
    expect(rows.every(({ size_bytes }) => size_bytes > 512)).toBe(true);
    const deleted = await db.selectFrom("deleted_cell").select("cell_id").execute();
    expect(deleted).toEqual([{ cell_id: 31 }]);
  });
});
