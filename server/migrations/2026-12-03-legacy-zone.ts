import { sql, type Kysely } from "kysely";

/** Times of the old backend name no zone: read in another one than before, all of a cell's readings would come again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table legacy_cell add column zone text`.execute(db);
  await sql`comment on column legacy_cell.zone is 'in which its times are meant; null: it is not known'`.execute(
    db,
  );
}
