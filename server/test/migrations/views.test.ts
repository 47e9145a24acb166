import { sql, type Kysely } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { up } from "../../migrations/2026-11-30-views.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import type { Db } from "../../src/db/connect.ts";
import { useDatabase } from "../support/database.ts";
import { store } from "../support/series.ts";

const database = useDatabase();
const now = 1_705_316_460;

beforeAll(async () => {
  const { db } = database;
  const { id } = await createCell(db, { name: "pot", uploadPolicy: "key", visibility: "private" });
  await createLogger(db, { name: "node 7" });
  await store({ db, now }, id, powerStreams.v, [[now - 60, 850]]);
});

/** As migrations see it, which know no tables. */
const bare = (db: Db) => db as unknown as Kysely<unknown>;

/** Does something as another role, and leaves nothing of it. */
async function asRole(role: string, act: (db: Kysely<unknown>) => Promise<unknown>): Promise<void> {
  const undo = new Error("undo");
  const done = database.db.transaction().execute(async (transaction) => {
    await sql`set local role ${sql.id(role)}`.execute(transaction);
    await act(bare(transaction));
    throw undo;
  });
  await expect(done).rejects.toBe(undo);
}

describe("the role ents_reader", () => {
  it("sees readings with their names, of private cells too", async () => {
    await asRole("ents_reader", async (db) => {
      const { rows } = await sql`select * from v_readings`.execute(db);
      expect(rows).toEqual([
        {
          cell_id: 1,
          cell: "pot",
          sensor: powerStreams.v.name,
          measurement: "Voltage",
          unit: "mV",
          ts: new Date((now - 60) * 1000),
          value: 850,
          received_at: new Date(now * 1000),
          logger_id: 1,
          logger: "node 7",
        },
      ]);
    });
  });

  it.each(["account", "session", "api_key", "reading", "cell", "quarantine", "audit"])(
    "sees nothing of %s",
    async (table) => {
      await asRole("ents_reader", async (db) => {
        const query = sql`select from ${sql.table(table)}`.execute(db);
        await expect(query).rejects.toThrow(/permission denied/);
      });
    },
  );

  it("changes nothing, and can't log in", async () => {
    await asRole("ents_reader", async (db) => {
      const query = sql`delete from v_readings`.execute(db);
      await expect(query).rejects.toThrow(/permission denied|cannot delete/);
    });
    const { rows } = await sql`
      select rolcanlogin, rolsuper from pg_roles where rolname = 'ents_reader'`.execute(
      database.db,
    );
    expect(rows).toEqual([{ rolcanlogin: false, rolsuper: false }]);
  });
});

it("is left out where the database's user may not make roles, and the view is there", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  const { db } = database;
  await sql`create role ${sql.id(role)}`.execute(db);
  const { rows } = await sql<{ schema: string }>`select current_schema() as schema`.execute(db);
  const schema = sql.id(rows[0]!.schema);
  await sql`grant usage, create on schema ${schema} to ${sql.id(role)}`.execute(db);
  await sql`grant select on all tables in schema ${schema} to ${sql.id(role)}`.execute(db);
  await sql`drop view v_readings`.execute(db);
  await asRole(role, async (limited) => {
    await up(limited);
    const seen = await sql`select cell from v_readings`.execute(limited);
    expect(seen.rows).toEqual([{ cell: "pot" }]);
  });
  await up(bare(db));
  await sql`drop owned by ${sql.id(role)}`.execute(db);
  await sql`drop role ${sql.id(role)}`.execute(db);
});
