import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import {
  Migrator,
  type Migration,
  type MigrationProvider,
  type MigrationResultSet,
} from "kysely/migration";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Db } from "./connect.ts";
import { isFormChanged } from "./fault.ts";

const migrationFailed = defineError(
  "unavailable",
  "migration_failed",
  "migration {name} failed: {reason}",
);

const tooOld = defineError(
  "unavailable",
  "program_too_old",
  "a newer ents-backend has changed the database's tables ({name}), which this one doesn't know: start that version, or restore a backup from before it",
);

const mostTries = 50;
const pause_ms = 100;

const folder = new URL("../../migrations/", import.meta.url);

/** Every file of the folder is a migration; their names, dates first, are their order. */
const files: MigrationProvider = {
  async getMigrations() {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
    const migrations = names.map(async (name): Promise<[string, Migration]> => [
      name.slice(0, -".ts".length),
      (await import(new URL(name, folder).href)) as Migration,
    ]);
    return Object.fromEntries(await Promise.all(migrations));
  },
};

/** The names of all migrations that there are, in order. */
export async function listMigrations(): Promise<string[]> {
  return Object.keys(await files.getMigrations()).sort();
}

/**
 * Brings the database to the newest form, one process at a time: others that start at the same moment wait.
 *
 * @param last to the form that this migration made, instead of the newest one
 * @returns the names of the migrations that ran
 * @throws KnownError when one fails, and when a newer version has run more; then none of them has changed anything
 */
export async function migrate(db: Db, log: Log, last?: string): Promise<string[]> {
  const migrationTableSchema = await currentSchema(db);
  const migrator = new Migrator({ db, provider: files, migrationTableSchema });
  const run = () => (last === undefined ? migrator.migrateToLatest() : migrator.migrateTo(last));
  const { error, results = [] } = await (db.isTransaction ? run() : undisturbed(run));
  const failed = results.find(({ status }) => status === "Error");
  if (error) {
    const [name] = failed ? [] : await listUnknown(db);
    if (name !== undefined) throw tooOld({ name });
    const reason = error instanceof Error ? error.message : "unknown";
    throw migrationFailed({ name: failed?.migrationName ?? "(none)", reason });
  }
  const names = results.map(({ migrationName }) => migrationName);
  if (names.length > 0) log.info({ migrations: names }, "migrated the database");
  return names;
}

/** The names of the migrations that the database had from a newer version. */
async function listUnknown(db: Db): Promise<string[]> {
  const ours = await listMigrations();
  const { rows } = await sql<{ name: string }>`
    select name from kysely_migration where name <> all (${ours}) order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/**
 * A migrator begins with a look at every table of every schema, which fails where one of them is changed at that moment, as
 * the queue of tasks changes its own when a worker starts for the first time.
 */
async function undisturbed(run: () => Promise<MigrationResultSet>): Promise<MigrationResultSet> {
  for (let tries = 1; ; tries += 1) {
    const set = await run();
    if (set.results || !isFormChanged(set.error) || tries === mostTries) return set;
    await sleep(pause_ms);
  }
}

/** The schema that our tables are in: a migrator takes its own tables in any other one for ours unless it is told. */
export async function currentSchema(db: Db): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(db);
  return rows[0]!.name;
}
