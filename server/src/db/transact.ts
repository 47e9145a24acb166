import { sql } from "kysely";
import type { Db } from "./connect.ts";
import { isCollision } from "./fault.ts";

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

/** Runs a transaction again when PostgreSQL has given it up for another one's sake. */
export async function retryCollisions<T>(run: () => Promise<T>, tries = 6): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isCollision(error) || tries <= 1) throw error;
    return await retryCollisions(run, tries - 1);
  }
}

/** A reader that is slower than this is not waited for: what it reads of a moment keeps the database from tidying up. */
const patience = "2min";

/**
 * Reads what the database holds at one moment, for as long as it takes, and ends the transaction however that ends.
 *
 * @param read is given the transaction; what it yields is yielded on
 */
export async function* readSnapshot<T>(
  db: Db,
  read: (snapshot: Db) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const snapshot = await db
    .startTransaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute();
  try {
    await sql`select set_config('idle_in_transaction_session_timeout', ${patience}, true)`.execute(
      snapshot,
    );
    yield* read(snapshot);
  } finally {
    // A connection that is gone has ended its transaction; whatever broke it is thrown already.
    await snapshot.rollback().execute().catch(noop);
  }
}

const noop = (): undefined => undefined;
