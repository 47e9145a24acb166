import { sql, type Kysely } from "kysely";

/** Tasks, which are long work beside the API, and files: what they make, and what is uploaded for them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table file (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    media_type text not null,
    size bigint not null default 0,
    sha256 bytea,
    complete boolean not null default false,
    account_id uuid references account on delete cascade,
    origin text,
    task_id uuid,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
  )`,
  `comment on column file.size is 'bytes; 0 until it is complete'`,
  `comment on column file.origin is 'who it is for, where that is no account: a hash of an address'`,
  `comment on column file.task_id is 'whose result it is to be'`,
  "create index file_expiry on file (expires_at)",
  "create index file_account on file (account_id)",
  "create index file_task on file (task_id) where task_id is not null",

  `create table file_chunk (
    file_id uuid not null references file on delete cascade,
    number integer not null,
    bytes bytea not null,
    primary key (file_id, number)
  )`,
  `comment on table file_chunk is 'all of one size, but for the last of a file: a range is found by its number'`,
  // As they come: a part of one can be read without the rest, and what is in files is mostly compressed or read once.
  "alter table file_chunk alter column bytes set storage external",
  `alter table file_chunk set (
    autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05
  )`,

  `create table task (
    id uuid primary key default gen_random_uuid(),
    number bigint not null unique generated always as identity,
    kind text not null,
    params jsonb not null,
    state text not null default 'PENDING'
      check (state in ('PENDING', 'STARTED', 'SUCCESS', 'FAILURE', 'REVOKED')),
    progress real not null default 0,
    doing text,
    result jsonb,
    file_id uuid references file on delete set null,
    error_code text,
    error text,
    account_id uuid references account on delete cascade,
    as_admin boolean not null default false,
    origin text,
    keep_seconds integer not null,
    max_bytes bigint not null,
    attempts integer not null default 0,
    losses integer not null default 0,
    worker text,
    heartbeat_at timestamptz,
    created_at timestamptz not null default now(),
    ready_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz
  )`,
  `comment on column task.number is 'in the order in which they were asked for'`,
  `comment on column task.origin is 'who asked, where that is no account: a hash of an address'`,
  `comment on column task.as_admin is 'whether an admin asked as one'`,
  `comment on column task.keep_seconds is 'how long its result is kept'`,
  `comment on column task.max_bytes is 'how large its result may be'`,
  `comment on column task.attempts is 'how often it was begun; what a worker writes counts for its own attempt alone'`,
  `comment on column task.losses is 'how often its worker went without a word, or the database did'`,
  `comment on column task.ready_at is 'since when it waits for a worker'`,
  `comment on column task.expires_at is 'until when its result is kept'`,
  "create index task_account on task (account_id, number)",
  "create index task_origin on task (origin) where origin is not null",
  "create index task_open on task (ready_at) where state in ('PENDING', 'STARTED')",
  "create index task_expiry on task (expires_at) where expires_at is not null",
  "create index task_state on task (kind, state)",
];
