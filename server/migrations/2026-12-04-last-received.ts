import { sql, type Kysely } from "kysely";

/** Which node went silent: readings don't tell it, whose newest may be of another node, or of a wrong clock. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table logger_sighting add column last_received_at timestamptz`.execute(db);
  await sql`comment on column logger_sighting.last_received_at is
    'when the server last took an upload of that logger for that cell, written down some seconds later; null: not since this is noted'`.execute(
    db,
  );
}
