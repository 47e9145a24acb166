import { sql, type Kysely } from "kysely";

/** Someone's tasks that are under way, or have just ended, are looked at again and again by who listens. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index task_account_ending on task (account_id, finished_at)`.execute(db);
}
