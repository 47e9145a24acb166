import { randomUUID } from "node:crypto";
import { sql, type RawBuilder } from "kysely";
import { afterAll, inject } from "vitest";
import { connect } from "../../src/db/connect.ts";
import { silentLog } from "./log.ts";

/**
 * Databases that nobody is connected to, beside the one that all tests share: made one by one, gone after the last test
 * of the file that calls this.
 *
 * @returns makes one; answers its URL
 */
export function useEmptyDatabases(): () => Promise<string> {
  const made: string[] = [];
  afterAll(async () => {
    for (const name of made) await onServer(sql`drop database ${sql.id(name)} with (force)`);
  });
  return async () => {
    const name = `test_${randomUUID().replaceAll("-", "")}`;
    await onServer(sql`create database ${sql.id(name)}`);
    made.push(name);
    const url = new URL(inject("databaseUrl"));
    url.pathname = `/${name}`;
    return url.href;
  };
}

async function onServer(statement: RawBuilder<unknown>): Promise<void> {
  const server = connect(inject("databaseUrl"), silentLog);
  await statement.execute(server);
  await server.destroy();
}
