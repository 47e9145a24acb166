import type { Readable } from "node:stream";
import { Client } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { isDatabaseAway, isForbidden } from "../../db/fault.ts";
import { defineError } from "../../lib/errors.ts";

/** The tables of the old backend that are read. */
const oldTables = [
  "user",
  "cell",
  "cell_user",
  "cell_tag",
  "tag",
  "logger",
  "power_data",
  "teros_data",
  "sensor",
  "data",
] as const;
export type OldTable = (typeof oldTables)[number];

const oldestServer = 11;
const noConnection = defineError(
  "unavailable",
  "no_old_database",
  "no connection to the old database ({reason})",
);
const tooOld = defineError(
  "unavailable",
  "old_database_too_old",
  "the old database runs on PostgreSQL {version}: 11 is needed; a dump of it, restored into a newer server, does too",
);
const unknownZone = defineError(
  "invalid",
  "unknown_zone",
  "{zone} is no time zone that the old database knows: say UTC or a name as America/Los_Angeles",
);
const notTheOldBackend = defineError(
  "invalid",
  "not_the_old_backend",
  "this is no database of the old backend: it has no {missing}",
);
const broke = defineError(
  "unavailable",
  "old_database_away",
  "the old database went away ({reason}); what came over is kept, and running the same command again goes on from there",
);
const mayNotRead = defineError(
  "forbidden",
  "old_database_forbids",
  "the old database doesn't let us read it: {reason}; connect as its owner, or grant select on all of its tables",
);

/**
 * The old backend's database as of one moment, for reading alone: one connection, one transaction that sees what was
 * committed when it began, however long it takes and whatever comes meanwhile.
 */
export class OldDatabase {
  readonly #client: Client;
  /** Table → column → type. */
  readonly #columns: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** In which its times are meant, as it spells that. */
  readonly zone: string;
  #closed: Promise<void> | undefined;

  private constructor(
    client: Client,
    columns: ReadonlyMap<string, ReadonlyMap<string, string>>,
    zone: string,
  ) {
    this.#client = client;
    this.#columns = columns;
    this.zone = zone;
  }

  /**
   * @param url postgres://…
   * @param zone in which its times, which name none, are meant
   * @throws KnownError when it can't be reached, is too old, or is no database of the old backend
   */
  static async open(url: string, zone: string): Promise<OldDatabase> {
    const client = new Client({
      connectionString: url,
      application_name: "ents-backend import legacy",
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
    // A connection that breaks fails its query; its error is told besides, and unheard it would end the process.
    client.on("error", () => undefined);
    await client.connect().catch((cause: Error) => {
      throw Object.assign(noConnection({ reason: cause.message || String(cause) }), { cause });
    });
    try {
      return await OldDatabase.#begin(client, zone);
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  static async #begin(client: Client, zone: string): Promise<OldDatabase> {
    await client.query("begin isolation level repeatable read read only");
    await client.query("set local statement_timeout = 0");
    await client.query("set local idle_in_transaction_session_timeout = 0");
    await client.query("set local timezone = 'UTC'");
    await client.query("set local work_mem = '64MB'");
    await checkVersion(client);
    return new OldDatabase(client, await findColumns(client), await findZone(client, zone));
  }

  has(table: OldTable, ...columns: readonly string[]): boolean {
    const known = this.#columns.get(table);
    return known !== undefined && columns.every((column) => known.has(column));
  }

  /** A column in SQL, or null where this database has none of that name. */
  column(table: OldTable, column: string): string {
    return this.has(table, column) ? `"${table}"."${column}"` : "null";
  }

  /** The instant that a column of times means, in SQL, as timestamptz. */
  instant(table: OldTable, column: string, zone = this.zone): string {
    const name = this.column(table, column);
    if (name === "null") return "null::timestamptz";
    // Source: PostgreSQL's `at time zone`, which takes a time that a clock shows twice for the later one.
    const isNaive = this.#columns.get(table)!.get(column) === "timestamp without time zone";
    return isNaive ? `(${name} at time zone '${zone}')` : `${name}::timestamptz`;
  }

  /** Numbers are to be asked for as float8 or int4: others come as text. */
  async rows<Row extends object>(query: string): Promise<Row[]> {
    try {
      return (await this.#client.query<Row>(query)).rows;
    } catch (error) {
      throw explain(error);
    }
  }

  /** What a query answers, in PostgreSQL's binary format of COPY, as it comes. */
  async *copy(query: string): AsyncGenerator<Buffer> {
    const stream: Readable = this.#client.query(
      copyTo(`copy (${query}) to stdout (format binary)`),
    );
    // Its end in the middle is an error that nobody waits for.
    stream.on("error", () => undefined);
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
    } catch (error) {
      throw explain(error);
    }
  }

  /** Ends the connection, also in the middle of an answer, which fails then. */
  async close(): Promise<void> {
    this.#closed ??= this.#client.end();
    await this.#closed;
  }
}

async function checkVersion(client: Client): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int / 10000 as version",
  );
  const { version } = rows[0]!;
  if (version < oldestServer) throw tooOld({ version });
}

/** From the catalogue, and not from information_schema: that hides what we may not read, as if it weren't there. */
async function findColumns(client: Client): Promise<Map<string, Map<string, string>>> {
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `select name as "table", attname as "column", format_type(atttypid, null) as type
     from unnest($1::text[]) as name
     join pg_attribute on attrelid = to_regclass(quote_ident(name)) and attnum > 0 and not attisdropped`,
    [oldTables],
  );
  const columns = new Map<string, Map<string, string>>();
  for (const { table, column, type } of rows) {
    if (!columns.has(table)) columns.set(table, new Map());
    columns.get(table)!.set(column, type);
  }
  checkTables(columns);
  return columns;
}

/** Columns without which a table can't be read, of tables that may be missing as a whole. */
const needed: Readonly<Partial<Record<OldTable, readonly string[]>>> = {
  power_data: ["id", "cell_id", "ts"],
  teros_data: ["id", "cell_id", "ts"],
  sensor: ["id", "cell_id", "name", "measurement"],
  data: ["id", "sensor_id", "ts"],
};

/** What there must be for a database to be the old backend's. */
function checkTables(columns: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
  const cell = columns.get("cell");
  if (!cell?.has("id") || !cell.has("name")) throw notTheOldBackend({ missing: "cells" });
  if (!columns.has("user")) throw notTheOldBackend({ missing: 'table "user"' });
  for (const [table, names] of Object.entries(needed)) {
    const missing = names.find((name) => columns.has(table) && !columns.get(table)!.has(name));
    if (missing !== undefined) throw notTheOldBackend({ missing: `column ${table}.${missing}` });
  }
}

/** The zone's name as the database spells it, which is safe to stand in SQL. */
async function findZone(client: Client, zone: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    "select name from pg_timezone_names where lower(name) = lower($1) limit 1",
    [zone],
  );
  const name = rows[0]?.name;
  if (name === undefined || !/^[\w/+-]+$/.test(name)) throw unknownZone({ zone });
  return name;
}

function explain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message: reason } = error;
  if (isForbidden(error)) return Object.assign(mayNotRead({ reason }), { cause: error });
  return isDatabaseAway(error) ? Object.assign(broke({ reason }), { cause: error }) : error;
}
