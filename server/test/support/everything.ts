import { sensorType } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../../src/db/connect.ts";
import { contents } from "../../src/store/backup/contents.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { writeReadings } from "./write-readings.ts";
import { newCell } from "./cells.ts";
import { ramp, store } from "./series.ts";

/** A text that every way of writing texts down has to mind. */
const awkward = "a\tb\nc\r\\N\\. \"'',;{}%é🌱\u007f";

/** When what `fillEverything` stores has come: Unix seconds. */
const now = 1_705_363_200;

/** Puts something into every table that a backup keeps. */
export async function fillEverything(db: Db): Promise<void> {
  const cellId = await newCell({ db });
  await store({ db, now }, cellId, sensorType("BME280_TEMP"), [
    ...ramp(1_704_067_200, 1800, 200),
    ...[null, 1e300, -1e-310, -0, 0.1 + 0.2, 5e-324].map(
      (value, at) => [1_700_000_000.25 + at, value] as const,
    ),
  ]);
  await store({ db, now }, cellId, sensorType("BME280_TEMP"), [[1_704_067_200, 7]]);
  await foldRollups(db);
  await writeReadings(db, [
    {
      cellId,
      stream: sensorType("BME280_TEMP"),
      dataType: "float",
      ts: 1_704_067_201,
      value: 8,
      receivedAt: now,
      loggerId: 1,
    },
  ]);
  for (const statement of statements(cellId)) await statement.execute(db);
}

const statements = (cellId: number) => [
  sql`insert into account (email, first_name, last_name, password_hash) values ('ada@example.org', ${awkward}, '', '$argon2id$')`,
  sql`insert into identity select 'https://issuer.example', ${awkward}, id from account`,
  sql`insert into session (account_id, created_at, advanced_at) select id, now(), now() from account`,
  sql`insert into refresh_token select decode('0a5c', 'hex'), id, 0, now() from session`,
  sql`insert into login_failure values ('someone', 1, now())`,
  sql`insert into api_key (account_id, name, prefix, hash, scopes, created_at)
    select id, ${awkward}, 'ek_', decode('00ff0a5c09', 'hex'), array[${awkward}, null, ''], now() from account`,
  sql`insert into logger (name, description, user_id) select 'node 7', ${awkward}, id from account`,
  sql`insert into upload_key (logger_id, hash, created_at) select id, '\\x00', now() from logger`,
  sql`insert into cell_member select ${cellId}, id, 'editor' from account`,
  sql`insert into tag (name, description) values (${awkward}, null)`,
  sql`insert into cell_tag select ${cellId}, id from tag`,
  sql`insert into cell (name, upload_policy) values ('gone', 'open')`,
  sql`insert into sensor (cell_id, name, measurement, unit, data_type) select id, 'x', 'y', 'z', 'int' from cell where name = 'gone'`,
  sql`delete from cell where name = 'gone'`,
  sql`insert into quarantine (received_at, path, headers, body, code, reason, size_bytes, cell_names)
    values (now(), '/', ${JSON.stringify({ a: awkward })}::jsonb, decode('00090a0d5c4e', 'hex'), 'unknown_cell', ${awkward}, 600, array[${awkward}])`,
  sql`insert into audit (at, actor, action, object_type, object_id, details)
    values (now(), 'user', 'create', 'cell', '1', ${JSON.stringify({ name: awkward })}::jsonb)`,
  sql`insert into legacy_object values ('tag', '3', '1')`,
  sql`insert into legacy_cell values (${cellId}, 'each', '{"power_data": 7}')`,
];

/** Every row of every table that a backup keeps, but for the directory's version, which goes on. */
export async function allRows(db: Db): Promise<Record<string, string[]>> {
  const kept = Object.keys(contents).filter((name) => contents[name]!.kept && name !== "directory");
  const rows = kept.map(async (name) => {
    const all = await sql<{ row: string }>`
      select it::text as row from ${sql.table(name)} as it order by 1`.execute(db);
    return [name, all.rows.map(({ row }) => row)] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}

/** All that makes up the form of our tables: columns, constraints, indexes, triggers, functions, settings. */
export async function formOf(db: Db): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    with ours as (
      select oid, relname, reloptions from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'
    )
    select replace(line, current_schema() || '.', '') as line from (
      select concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
        reloptions::text, col_description(ours.oid, attnum)) as line
      from ours join pg_attribute on attrelid = ours.oid where attnum > 0 and not attisdropped
      union all select concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
      from ours join pg_constraint on conrelid = ours.oid
      union all select pg_get_indexdef(indexrelid) from ours join pg_index on indrelid = ours.oid
      union all select pg_get_triggerdef(pg_trigger.oid) from ours join pg_trigger on tgrelid = ours.oid where not tgisinternal
      union all select pg_get_functiondef(oid) from pg_proc where pronamespace = current_schema()::regnamespace
    ) as lines order by 1`.execute(db);
  return rows.map(({ line }) => line);
}
