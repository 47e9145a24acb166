import { sql } from "kysely";
import type { Db } from "./connect.ts";

/** Runs a change as one transaction: from the start again, when it collides with another one. */
export async function transact<T>(db: Db, run: (transaction: Db) => Promise<T>): Promise<T> {
  return await retryCollisions(() =>
    db.transaction().setIsolationLevel("read committed").execute(run),
  );
}

/**
 * Keeps a row, if there is one, as it is until the transaction ends, but for what that changes itself: who else wants
 * to change it, or what belongs to it, waits here first. Rows that refer to it can be added meanwhile.
 */
export async function holdRow(
  transaction: Db,
  table: "cell" | "logger" | "tag",
  id: number,
): Promise<void> {
  await sql`select from ${sql.table(table)} where id = ${id} for no key update`.execute(
    transaction,
  );
}

/**
 * Runs a transaction again when PostgreSQL has given it up for another one's sake: a deadlock, or a serialisation
 * failure. Source: PostgreSQL's error codes, class 40.
 */
export async function retryCollisions<T>(run: () => Promise<T>, tries = 6): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const collided =
      error instanceof Error && "code" in error && String(error.code).startsWith("40");
    if (!collided || tries <= 1) throw error;
    return await retryCollisions(run, tries - 1);
  }
}
