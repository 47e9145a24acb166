import { sql } from "kysely";
import { expect, it } from "vitest";
import { migrate } from "../../src/db/migrate.ts";
import { useDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";

const database = useDatabase();

it("migrates while another schema and its tables come, change and go, as those of the queue do", async () => {
  const { db } = database;
  const over = new AbortController();
  const changes = (async () => {
    let count = 0;
    for (; !over.signal.aborted; count += 1) {
      await sql`create schema beside`.execute(db);
      await sql`create table beside.queue (id serial, passing integer)`.execute(db);
      await sql`alter table beside.queue drop column passing`.execute(db);
      await sql`drop schema beside cascade`.execute(db);
    }
    return count;
  })();
  try {
    for (let nth = 0; nth < 15; nth += 1) expect(await migrate(db, silentLog)).toEqual([]);
  } finally {
    over.abort();
    expect(await changes).toBeGreaterThan(0);
  }
});

it("says that a newer version has changed the tables, and leaves them alone", async () => {
  const { db } = database;
  const noted = async () =>
    await db
      .selectFrom("kysely_migration" as never)
      .selectAll()
      .execute();
  const before = await noted();
  await sql`insert into kysely_migration values ('2999-01-01-telepathy', ${new Date().toISOString()})`.execute(
    db,
  );
  const changed = await noted();
  await expect(migrate(db, silentLog)).rejects.toMatchObject({
    kind: "unavailable",
    code: "program_too_old",
    message: expect.stringContaining("(2999-01-01-telepathy)") as string,
  });
  expect(await noted()).toEqual(changed);
  await sql`delete from kysely_migration where name = '2999-01-01-telepathy'`.execute(db);
  expect(await noted()).toEqual(before);
  expect(await migrate(db, silentLog)).toEqual([]);
});
