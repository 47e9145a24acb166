import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import type { LegacyObjectTable } from "../../db/tables.ts";

export type Kind = LegacyObjectTable["kind"];

/** What is here already, as far as what comes over can meet it. */
export interface Here {
  /** What came over before: `kind old id` → its id here, though it may be gone since. */
  readonly brought: ReadonlyMap<string, string>;
  readonly cells: readonly Named[];
  /** Numbers of cells that were deleted. */
  readonly deletedCells: ReadonlySet<number>;
  readonly loggers: readonly Named[];
  readonly tags: readonly Named[];
  readonly accounts: readonly Account[];
}

export interface Named {
  readonly id: number;
  readonly name: string;
  /** Made by the first start for trying things out, and never used. */
  readonly isUnusedDemo?: boolean;
}

interface Account {
  readonly id: string;
  /** In lower case. */
  readonly email: string;
  /** Whether somebody can log in to it who never proved that the address is theirs. */
  readonly isUnproved: boolean;
}

/** The key of `Here.brought`. */
export function keyOf(kind: Kind, oldId: string | number): string {
  return `${kind} ${oldId}`;
}

/** Reads all that is here already and that what comes over can meet. */
export async function readHere(db: Db): Promise<Here> {
  const brought = await db.selectFrom("legacy_object").selectAll().execute();
  const deleted = await db.selectFrom("deleted_cell").select("cell_id").execute();
  const { rows: cells } = await sql<Named>`
    select id, name, id = 1 and name = 'demo cell' and user_id is null
      and not exists (select from sensor where cell_id = cell.id) as "isUnusedDemo" from cell`.execute(
    db,
  );
  const { rows: loggers } = await sql<Named>`
    select id, name, id = 1 and name = 'demo logger' and user_id is null
      and not exists (select from logger_sighting where logger_id = logger.id) as "isUnusedDemo" from logger`.execute(
    db,
  );
  const { rows: accounts } = await sql<Account>`
    select id, lower(email) as email, not email_verified and (password_hash is not null
      or exists (select from identity where account_id = account.id)
      or exists (select from session where account_id = account.id and revoked_at is null)
      or exists (select from api_key where account_id = account.id)) as "isUnproved" from account`.execute(
    db,
  );
  return {
    brought: new Map(brought.map(({ kind, old_id, id }) => [keyOf(kind, old_id), id])),
    cells,
    deletedCells: new Set(deleted.map(({ cell_id }) => cell_id)),
    loggers,
    tags: await db.selectFrom("tag").select(["id", "name"]).execute(),
    accounts,
  };
}

/** Remembers what something of the old backend is here. */
export async function noteBrought(
  db: Db,
  kind: Kind,
  oldId: string | number,
  id: string | number,
): Promise<void> {
  await db
    .insertInto("legacy_object")
    .values({ kind, old_id: String(oldId), id: String(id) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Nobody makes, changes or deletes a cell, a logger, a tag or an account until the transaction ends. */
export async function holdDirectory(transaction: Db): Promise<void> {
  await sql`lock table account, cell, logger, tag in share row exclusive mode`.execute(transaction);
}

/** Takes an unused demo away, as if there had been none: what comes over has its number. */
export async function removeDemo(transaction: Db, kind: "cell" | "logger"): Promise<void> {
  await transaction.deleteFrom(kind).where("id", "=", 1).execute();
  if (kind === "cell")
    await transaction.deleteFrom("deleted_cell").where("cell_id", "=", 1).execute();
}

/** Numbers that are given from now on come after these. */
export async function advanceNumbers(
  transaction: Db,
  table: "cell" | "logger" | "tag",
  taken: readonly number[],
): Promise<void> {
  const largest = Math.max(0, ...taken);
  if (largest < 1) return;
  const sequence = sql.table(`${table}_id_seq`);
  await sql`select setval(${`${table}_id_seq`}::regclass, greatest(last_value, ${largest})) from ${sequence}`.execute(
    transaction,
  );
}

/** Of one schema: a database may hold several, each with all that is ours. */
const lock = sql`hashtext('ents-backend import legacy ' || current_schema())`;

/** Runs something while no other process does so. @returns undefined, with nothing run, where one does */
export async function runAlone<T>(db: Db, run: () => Promise<T>): Promise<T | undefined> {
  return await db.connection().execute(async (connection) => {
    const { rows } = await sql<{ mine: boolean }>`
      select pg_try_advisory_lock(${lock}) as mine`.execute(connection);
    if (!rows[0]!.mine) return undefined;
    try {
      return await run();
    } finally {
      await sql`select pg_advisory_unlock(${lock})`.execute(connection);
    }
  });
}
