import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import { listMigrations, migrate } from "../../db/migrate.ts";
import type { Session } from "../../db/session.ts";
import { defineError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import { ArchiveReader } from "./archive-reader.ts";
import { describeTables } from "./contents.ts";
import { copyIn, fixForm } from "./copy.ts";
import { countLines } from "./count-lines.ts";
import { takeEmpty } from "./empty.ts";
import { dropIndexes } from "./indexes.ts";
import type { Manifest, Totals } from "./manifest.ts";

export interface RestoreOrder {
  /** The bytes of a backup. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly log: Log;
  /** Told often. */
  readonly onProgress?: (reached: RestoreProgress) => void;
}

/** How far it has come: rows that are in, or indexes that are made, of how many. */
type RestoreProgress =
  | { readonly phase: "rows"; readonly count: number }
  | { readonly phase: "indexes"; readonly count: number; readonly of: number };

/** What was taken back, or would be. */
export interface Restored {
  readonly manifest: Manifest;
  readonly totals: Totals;
}

const newerSchema = defineError(
  "invalid",
  "backup_too_new",
  "this backup was made by a newer ents-backend ({product}), whose tables this one doesn't know: update this one first",
);
const otherTables = defineError(
  "invalid",
  "backup_of_others",
  "the backup's table {table} isn't one that ents-backend {product} made: was it altered?",
);
const otherTotals = defineError(
  "invalid",
  "backup_broken",
  "the backup isn't whole: it has {rows} rows of {table}, and says that there are {expected}",
);

/**
 * Takes a backup back, into a database that is empty but for the demo: all of it, in one transaction, or nothing. The
 * tables come in the form that they had, and are then migrated to the newest one.
 *
 * @throws KnownError when the backup isn't whole or too new, or the database is in use or not empty
 */
export async function restore({ client, db }: Session, order: RestoreOrder): Promise<Restored> {
  const { log, onProgress } = order;
  const archive = new ArchiveReader(order.source);
  const manifest = await archive.manifest();
  await checkMigrations(manifest);
  return await db.transaction().execute(async (transaction) => {
    await takeEmpty(transaction);
    await migrate(transaction, log, manifest.migrations.at(-1));
    await checkTables(transaction, manifest);
    await clearSeeds(transaction, manifest);
    const makeIndexes = await dropIndexes(transaction);
    await fixForm(transaction);
    const totals = await takeRows(
      archive,
      manifest,
      order,
      async (table, parts) => await copyIn(client, table, parts),
    );
    await makeIndexes((count, of) => onProgress?.({ phase: "indexes", count, of }));
    await setCounters(transaction, manifest);
    await migrate(transaction, log);
    await outdateMemories(transaction);
    await sql`analyze`.execute(transaction);
    return { manifest, totals };
  });
}

/**
 * Reads a backup from its beginning to its end without a database.
 *
 * @throws KnownError when it isn't whole
 */
export async function check(order: Pick<RestoreOrder, "source" | "onProgress">): Promise<Restored> {
  const archive = new ArchiveReader(order.source);
  const manifest = await archive.manifest();
  const totals = await takeRows(archive, manifest, order, countRows);
  return { manifest, totals };
}

/** Takes the rows of a table; answers how many there were. */
type Take = (table: Manifest["tables"][number], parts: AsyncIterable<Buffer>) => Promise<number>;

/** Hands over the rows of all tables, and compares how many came with what the backup says. */
async function takeRows(
  archive: ArchiveReader,
  { tables }: Manifest,
  { onProgress }: Pick<RestoreOrder, "onProgress">,
  take: Take,
): Promise<Totals> {
  const taken: Totals = {};
  let rows = 0;
  for (const table of tables) {
    const parts = eachTold(archive.rows(table.name), (lines) => {
      rows += lines;
      onProgress?.({ phase: "rows", count: rows });
    });
    taken[table.name] = await take(table, parts);
  }
  const totals = await archive.end();
  for (const { name } of tables)
    if (taken[name] !== totals[name])
      throw otherTotals({ table: name, rows: taken[name] ?? 0, expected: totals[name] ?? 0 });
  return taken;
}

async function* eachTold(
  parts: AsyncIterable<Buffer>,
  tell: (lines: number) => void,
): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    yield part;
    tell(countLines(part));
  }
}

/** For rows that go nowhere. */
const countRows: Take = async (_, parts) => {
  let rows = 0;
  for await (const part of parts) rows += countLines(part);
  return rows;
};

/** What we migrate must have come by the same way as ours. */
async function checkMigrations({ migrations, product }: Manifest): Promise<void> {
  const ours = await listMigrations();
  if (migrations.some((name, at) => ours[at] !== name)) throw newerSchema({ product });
}

/** Which of our tables are kept may differ from version to version, but not what a table is. */
async function checkTables(db: Db, { tables, product }: Manifest): Promise<void> {
  const ours = new Map((await describeTables(db)).map(({ name, columns }) => [name, columns]));
  for (const { name, columns } of tables)
    if (String(ours.get(name)) !== String(columns)) throw otherTables({ table: name, product });
}

/** Rows that migrations make are in the backup too, as they were. */
async function clearSeeds(db: Db, { tables }: Manifest): Promise<void> {
  for (const { name } of tables) {
    const { rows } = await sql`select from ${sql.table(name)} limit 1`.execute(db);
    if (rows.length > 0) await sql`delete from ${sql.table(name)}`.execute(db);
  }
}

/** What is numbered goes on behind the last number that was given, whether its row is still there or not. */
async function setCounters(db: Db, { tables }: Manifest): Promise<void> {
  for (const { name, counters } of tables)
    for (const [column, last] of Object.entries(counters))
      await sql`select setval(pg_get_serial_sequence(format('%I', ${name}::text), ${column}), ${last})`.execute(
        db,
      );
}

/** What a process remembers of the directory is of another database: its version is drawn anew, as by every change. */
async function outdateMemories(db: Db): Promise<void> {
  await sql`update directory set version = floor(random() * 2 ^ 53)::bigint`.execute(db);
}
