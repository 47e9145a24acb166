import { sql, type Kysely } from "kysely";

/** The settings of an admin's logger hold for every cell: uploads are judged by who is one, too. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create trigger change_directory after update of admin on account
      for each statement execute function change_directory()`.execute(db);
}
