import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, inject } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { migrate } from "../../src/db/migrate.ts";
import { silentLog } from "./log.ts";

/** A database that one test file has to itself: a schema of its own on the PostgreSQL of the run. */
export interface TestDatabase {
  readonly db: Db;
  /** For programs that connect by themselves. */
  readonly url: string;
  drop(): Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  await migrate(database.db, silentLog);
  return database;
}

/** The same before any migration. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const server = inject("databaseUrl");
  const schema = `test_${randomUUID().replaceAll("-", "")}`;
  const admin = connect(server, silentLog);
  await sql`create schema ${sql.id(schema)}`.execute(admin);
  const url = new URL(server);
  url.searchParams.set("options", `-c search_path=${schema}`);
  const db = connect(url.href, silentLog);
  return {
    db,
    url: url.href,
    async drop() {
      await db.destroy();
      await sql`drop schema ${sql.id(schema)} cascade`.execute(admin);
      // That of the queue of tasks, where a test had one.
      await sql`drop schema if exists ${sql.id(`${schema}_worker`)} cascade`.execute(admin);
      await admin.destroy();
    },
  };
}

/** Gives the test file that calls it a database, there from its first test to its last. */
export function useDatabase(): Pick<TestDatabase, "db" | "url"> {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
  });
  return {
    get db() {
      return database.db;
    },
    get url() {
      return database.url;
    },
  };
}
