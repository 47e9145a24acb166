import { sql } from "kysely";
import { afterAll, beforeAll } from "vitest";
import { createEmptyDatabase, type TestDatabase } from "./database.ts";

/** Two of its users. */
export const ada = "00000000-0000-4000-8000-00000000000a";
export const bob = "00000000-0000-4000-8000-00000000000b";
/** When most of its readings were taken. */
export const noon = Date.parse("2024-01-15T12:00:00Z") / 1000;

/** The old backend's tables as its last version has them, but for the constraints that its data have outlived. */
export const oldTables: Readonly<Record<string, readonly string[]>> = {
  user: [
    "id uuid",
    "first_name text",
    "last_name text",
    "email text",
    "password text",
    "api_key text",
  ],
  cell: [
    "id int",
    "name text",
    "location text",
    "latitude double precision",
    "longitude double precision",
    "user_id uuid",
    "archive bool default false",
  ],
  cell_user: ["cell_id int", "user_id uuid"],
  cell_tag: ["cell_id int", "tag_id int"],
  tag: ["id int", "name text", "description text", "created_at timestamp", "created_by uuid"],
  logger: [
    "id int",
    "name text",
    "uuid uuid default gen_random_uuid()",
    "type text",
    "device_eui text",
    "description text",
    "date_created timestamp",
    "user_id uuid",
  ],
  power_data: [
    "id serial",
    "logger_id int",
    "cell_id int",
    "ts timestamp",
    "current double precision",
    "voltage double precision",
    "ts_server timestamp",
  ],
  teros_data: [
    "id serial",
    "cell_id int",
    "ts timestamp",
    "vwc double precision",
    "temp double precision",
    "ec int",
    "ts_server timestamp",
    "raw_vwc double precision",
    "water_pot double precision",
  ],
  sensor: ["id int", "cell_id int", "measurement text", "data_type text", "unit text", "name text"],
  data: [
    "id serial",
    "sensor_id int",
    "ts timestamp",
    "ts_server timestamp",
    "float_val double precision",
    "int_val int",
    "text_val text",
  ],
  oauth_token: ["id int", "user_id uuid", "access_token text"],
};

/** A database of the old backend, empty. */
export interface OldBackend {
  readonly url: string;
  /** Runs some statements. */
  run(statements: string): Promise<void>;
}

/**
 * Gives the test file that calls it a database of the old backend, emptied by \`rebuild\`.
 */
export function useOldBackend(): OldBackend & {
  /** Makes its tables anew. @param without tables, or columns as `teros_data.raw_vwc`, that it hasn't got */
  rebuild(...without: readonly string[]): Promise<void>;
} {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createEmptyDatabase();
  });
  afterAll(async () => {
    await database.drop();
  });
  const run = async (statements: string): Promise<void> => {
    await sql.raw(statements).execute(database.db);
  };
  return {
    get url() {
      return database.url;
    },
    run,
    async rebuild(...without) {
      for (const [table, columns] of Object.entries(oldTables)) {
        await run(`drop table if exists "${table}"`);
        if (without.includes(table)) continue;
        const kept = columns.filter(
          (column) => !without.includes(`${table}.${column.split(" ")[0]}`),
        );
        await run(`create table "${table}" (${kept.join(", ")})`);
      }
    },
  };
}

/** Two cells of two people, with a reading of every kind. */
export async function fillOldBackend(old: OldBackend): Promise<void> {
  await old.run(`
    insert into "user" (id, email, first_name, last_name, password, api_key) values
      ('${ada}', ' Ada@Example.org ', 'Ada', 'Example', 'secret', 'key'), ('${bob}', 'bob@example.org', 'Bob', null, '', null);
    insert into cell values (3, 'Plot A', 'by the creek', 36.99, -122.06, '${ada}', true),
      (7, 'Plot B', null, null, null, null, false);
    insert into cell_user values (3, '${ada}'), (3, '${bob}'), (3, '${bob}');
    insert into tag values (5, 'soil', 'of soil', '2024-02-03 04:05:06', '${ada}');
    insert into cell_tag values (3, 5);
    insert into logger (id, name, type, device_eui, date_created, user_id)
      values (4, 'node 4', 'ents', ' 0080e1150546d093 ', '2023-05-06 07:08:09', '${ada}');
    insert into power_data (logger_id, cell_id, ts, current, voltage, ts_server) values
      (4, 3, '2024-01-15 12:00', 120e-6, 0.85, '2024-01-16 00:00:01'),
      (null, 3, '2024-01-15 12:00:10', 200e-6, 0.5, null);
    insert into teros_data (cell_id, ts, vwc, temp, ec, ts_server, raw_vwc, water_pot)
      values (7, '2024-01-15 12:00', 0.2, 10.5, 100, '2024-01-15 12:00:01', 2000, -3);
    insert into sensor values (1, 7, 'humidity', 'float', '%', 'bme280');
    insert into data (sensor_id, ts, ts_server, float_val) values (1, '2024-01-15 12:00', '2024-01-15 12:00:01', 65)`);
}
