import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import type { Session } from "../../db/session.ts";
import type { Clock } from "../../lib/clock.ts";
import { defineError } from "../../lib/errors.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { listKept, listTables, type KeptTable } from "./contents.ts";
import { copyOut, fixForm } from "./copy.ts";
import { countLines } from "./count-lines.ts";
import { formatVersion, type Manifest, type Totals } from "./manifest.ts";

interface BackupOrder {
  readonly clock: Clock;
  /** Our version. */
  readonly product: string;
  /** Told often: how many rows of all tables are in, of about how many, where that is known. */
  readonly onProgress?: (rows: number, expected: number | undefined) => void;
  /** Told at the end. */
  readonly onEnd?: (done: BackedUp) => void;
}

export interface BackedUp {
  /** How many rows of each table are in. */
  readonly totals: Totals;
  /** Tables that stand beside ours, and aren't in. */
  readonly others: readonly string[];
}

const nothingThere = defineError(
  "not_found",
  "nothing_to_back_up",
  "there is nothing to back up: no table of ents-backend is in this database",
);
const changing = defineError(
  "conflict",
  "schema_changing",
  "the tables are being changed by a newer version at this moment: try again when it has started",
);

/**
 * The bytes of a backup: of what was committed at one moment, when it begins. Uploads go on meanwhile, and nothing is
 * written. Who stops reading it ends the session.
 */
export async function* backUp(
  { client, db }: Session,
  { clock, product, onProgress, onEnd }: BackupOrder,
): AsyncGenerator<Buffer> {
  const { manifest, tables, others } = await beginSnapshot(db, { clock, product });
  const archive = new ArchiveWriter(clock);
  const totals: Totals = {};
  const expected = expectedRows(tables);
  let rows = 0;
  yield* archive.begin(manifest);
  for (const table of tables) {
    let here = 0;
    const count = (more: number) => {
      here += more;
      rows += more;
      onProgress?.(rows, expected);
    };
    yield* archive.table(table.name, counted(copyOut(client, table), count));
    totals[table.name] = here;
  }
  yield* archive.end(totals);
  await sql`commit`.execute(db);
  onEnd?.({ totals, others });
}

/** Begins a transaction that sees one moment, once nobody can change the tables' form any more. */
async function beginSnapshot(
  db: Db,
  { clock, product }: Pick<BackupOrder, "clock" | "product">,
): Promise<{ manifest: Manifest; tables: KeptTable[]; others: readonly string[] }> {
  const createdAt = clock();
  const { ours, others } = await listTables(db);
  if (!ours.includes("kysely_migration")) throw nothingThere();
  await sql`start transaction isolation level repeatable read, read only`.execute(db);
  // Before anything is read: rows that a change of a table moves would be missing for who began to read before it.
  await sql`lock table ${sql.join(ours.map((name) => sql.id(name)))} in access share mode`.execute(
    db,
  );
  await fixForm(db);
  if (String((await listTables(db)).ours) !== String(ours)) throw changing();
  const tables = await listKept(db);
  const manifest: Manifest = {
    format: "ents-backend backup",
    version: formatVersion,
    product,
    ...(await describe(db)),
    created_at: new Date(createdAt * 1000).toISOString(),
    tables: tables.map(({ name, columns, counters }) => ({
      name,
      columns: [...columns],
      counters,
    })),
  };
  return { manifest, tables, others };
}

async function describe(db: Db): Promise<Pick<Manifest, "postgres" | "migrations">> {
  const { rows } = await sql<{ postgres: string; migrations: string[] }>`
    select current_setting('server_version') as postgres, array_agg(name::text order by name) as migrations
    from kysely_migration`.execute(db);
  if (!rows[0]?.migrations) throw nothingThere();
  return rows[0];
}

function expectedRows(tables: readonly KeptTable[]): number | undefined {
  const estimates = tables.map(({ estimatedRows }) => Math.max(0, estimatedRows));
  return estimates.reduce((sum, rows) => sum + rows, 0) || undefined;
}

/** Tells how many lines each chunk ends. */
async function* counted(
  chunks: AsyncIterable<Buffer>,
  count: (lines: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(countLines(chunk));
    yield chunk;
  }
}
