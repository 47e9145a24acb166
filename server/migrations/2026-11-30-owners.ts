import { sql, type Kysely } from "kysely";

/** What an account has is counted before it gets more. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  "create index cell_user on cell (user_id) where user_id is not null",
  "create index logger_user on logger (user_id) where user_id is not null",
  "create index tag_created_by on tag (created_by) where created_by is not null",
];
