import { sql, type Kysely } from "kysely";

/**
 * The directory's version is drawn by lot: whoever remembers something as of one never meets it in another database that
 * takes this one's place, nor in this one when it was restored and has changed since.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** What a number of JavaScript can hold. */
const lot = "floor(random() * 2 ^ 53)::bigint";

const statements = [
  `update directory set version = ${lot}`,
  `create or replace function change_directory() returns trigger language plpgsql as $function$
  begin
    update directory set version = ${lot};
    return null;
  end
  $function$`,
];
