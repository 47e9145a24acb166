import { sql, type Kysely } from "kysely";

/** What has come over from the old backend, and how far each of its cells has been read. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // No foreign keys: what has come over and was deleted here since is not made again.
  `create table legacy_object (
    kind text not null check (kind in ('user', 'cell', 'logger', 'tag')),
    old_id text not null,
    id text not null,
    primary key (kind, old_id)
  )`,
  `comment on table legacy_object is 'what of the old backend came over, and what it is here'`,

  `create table legacy_cell (
    cell_id integer primary key,
    vwc_rule text check (vwc_rule in ('fraction', 'percent', 'each')),
    read_to jsonb not null,
    pass jsonb
  )`,
  `comment on column legacy_cell.vwc_rule is
    'what its volumetric water content stands in there; null: it has none yet'`,
  `comment on column legacy_cell.read_to is 'old table → up to which id all rows of the cell are here'`,
  `comment on column legacy_cell.pass is
    'what is under way: the ids that it reads up to, and the instant (Unix seconds) up to which it is stored'`,
];
