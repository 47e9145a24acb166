import { sql, type Kysely } from "kysely";

/**
 * Whose an upload in quarantine is and what it is about, so that its owner finds it and the least of them go first
 * when it is full; numbers of deleted cells, which aren't given again; numbers for conflicts, to page by.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** Codes of uploads that had been decoded when they were refused. */
const decodedCodes = "('unknown_cell', 'upload_key_required', 'upload_forbidden', 'other_logger')";

const statements = [
  // No foreign keys: an upload is kept whatever becomes of who sent it.
  `alter table quarantine
    add column upload_id uuid unique,
    add column account_id uuid,
    add column logger_id integer,
    add column device_eui text,
    add column cell_ids bigint[] not null default '{}',
    add column cell_names text[] not null default '{}',
    add column logger_numbers bigint[] not null default '{}',
    add column decodes boolean not null default false,
    add column keyed boolean not null default false,
    add column size_bytes integer not null default 0,
    add column replays integer not null default 0,
    add column last_replayed_at timestamptz`,
  // What was refused says in its reason which cell it was for.
  `update quarantine set
    size_bytes = 512 + octet_length(body) + octet_length(headers::text) + octet_length(path) + octet_length(reason),
    decodes = code in ${decodedCodes},
    keyed = code in ('upload_forbidden', 'other_logger'),
    cell_ids = coalesce(
      case when code in ${decodedCodes} then regexp_match(reason, '\\mcell (\\d{1,10})(?: |$)')::bigint[] end, '{}'),
    cell_names = coalesce(
      case when code in ${decodedCodes} then regexp_match(lower(reason), '\\mcell "(.*)"(?: |$)') end, '{}')`,
  `alter table quarantine
    alter column size_bytes drop default,
    add column worth smallint not null generated always as (
      case when keyed then 2 when decodes or cell_ids <> '{}' or cell_names <> '{}' then 1 else 0 end
    ) stored`,
  `comment on column quarantine.upload_id is 'one that arrives twice, by way of a crash, is kept once'`,
  `comment on column quarantine.account_id is 'the user by whose token or key it came'`,
  `comment on column quarantine.logger_id is 'the logger by whose upload key it came'`,
  `comment on column quarantine.device_eui is 'the device that a webhook is about, in upper case'`,
  `comment on column quarantine.cell_names is 'in lower case'`,
  `comment on column quarantine.decodes is 'whether its codec took it when it came'`,
  `comment on column quarantine.keyed is 'whether it came with a good key or token'`,
  `comment on column quarantine.size_bytes is 'about what it takes of the disk, headers and row included'`,
  `comment on column quarantine.worth is 'the least goes first when the quarantine is full'`,
  "create index quarantine_worth on quarantine (worth, id) include (size_bytes)",
  "create index quarantine_account on quarantine (account_id) where account_id is not null",
  "create index quarantine_logger on quarantine (logger_id) where logger_id is not null",
  "create index quarantine_device on quarantine (device_eui) where device_eui is not null",
  "create index quarantine_cells on quarantine using gin (cell_ids)",
  "create index quarantine_cell_names on quarantine using gin (cell_names)",
  // What goes makes room for what comes only once it is vacuumed.
  `alter table quarantine set (
    autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05
  )`,
  "create index logger_device_eui on logger (upper(device_eui)) where device_eui is not null",

  `create table deleted_cell (
    cell_id integer primary key,
    deleted_at timestamptz not null default now()
  )`,
  `comment on table deleted_cell is 'numbers that are not given again: a node may still send for what they were'`,
  `insert into deleted_cell (cell_id, deleted_at)
    select object_id::integer, max(at) from audit where object_type = 'cell' and action = 'delete'
    group by object_id`,
  `create function note_deleted_cell() returns trigger language plpgsql as $$
    begin
      insert into deleted_cell (cell_id) values (old.id) on conflict do nothing;
      return null;
    end $$`,
  `create trigger note_deleted_cell after delete on cell for each row execute function note_deleted_cell()`,

  "alter table reading_conflict add column id bigint generated always as identity",
  "create index reading_conflict_sensor on reading_conflict (sensor_id, id)",
];
