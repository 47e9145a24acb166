import { realpath } from "node:fs/promises";
import { Client, type DatabaseError } from "pg";
import { superuser } from "./cluster.ts";

/**
 * A connection that is held for as long as we use the embedded server. PostgreSQL closes it when the
 * server goes, which tells us; and releases its lock when we go, however we do, which tells the others.
 */
export interface Holder {
  readonly pid: number;
  readonly port: number;
  readonly owned: boolean;
  /** Fulfilled when the connection is over; never rejected. */
  readonly ended: Promise<void>;
  /** Tries to become the one who stops the server; answers whether we are. */
  own(): Promise<boolean>;
  close(): Promise<void>;
}

/** Not the server we look for: another program's, or another directory's. */
export class NotOurs extends Error {}

/** The name of the product's database. */
export const databaseName = "ents";

// Any constant; the lock is in the maintenance database, where nobody else takes locks.
const ownerLock = 7_301_114_526;

/** Connects to the server of this directory, makes sure of its database, and owns it if nobody does. */
export async function connectHolder(options: {
  readonly pid: number;
  readonly port: number;
  readonly password: string;
  readonly cluster: string;
}): Promise<Holder> {
  const client = new Client({
    host: "127.0.0.1",
    port: options.port,
    user: superuser,
    password: options.password,
    // Not the product's database: that one can then be dropped and restored while we hold on.
    database: "postgres",
    application_name: "ents-backend (holder)",
    connectionTimeoutMillis: 5_000,
    ssl: false,
  });
  const ended = new Promise<void>((resolve) => client.once("end", resolve));
  client.on("error", () => undefined); // 'end' follows, and that is what we act on
  try {
    await client.connect();
    await checkDirectory(client, options.cluster);
    await ensureDatabase(client);
    const owned = await tryLock(client);
    return new ConnectedHolder({ ...options, client, ended, owned });
  } catch (error) {
    await client.end();
    throw error;
  }
}

class ConnectedHolder implements Holder {
  readonly pid: number;
  readonly port: number;
  readonly ended: Promise<void>;
  readonly #client: Client;
  #owned: boolean;

  constructor(parts: {
    pid: number;
    port: number;
    ended: Promise<void>;
    client: Client;
    owned: boolean;
  }) {
    this.pid = parts.pid;
    this.port = parts.port;
    this.ended = parts.ended;
    this.#client = parts.client;
    this.#owned = parts.owned;
  }

  get owned(): boolean {
    return this.#owned;
  }

  async own(): Promise<boolean> {
    // When the connection is just breaking, what we were is what counts.
    this.#owned ||= await tryLock(this.#client).catch(() => false);
    return this.#owned;
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

async function checkDirectory(client: Client, cluster: string): Promise<void> {
  const { rows } = await client.query<{ data_directory: string }>("show data_directory");
  const directory = rows[0]?.data_directory ?? "";
  if ((await realpath(directory).catch(() => directory)) !== cluster) {
    throw new NotOurs(`the server on this port serves ${directory}`);
  }
}

async function ensureDatabase(client: Client): Promise<void> {
  const { rowCount } = await client.query("select from pg_database where datname = $1", [
    databaseName,
  ]);
  if (rowCount) return;
  try {
    await client.query(`create database ${databaseName}`);
  } catch (error) {
    // Another process made it at the same moment: PostgreSQL says so in one of two ways.
    const { code } = error as DatabaseError;
    if (code !== "42P04" && code !== "23505") throw error;
  }
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ owned: boolean }>(
    "select pg_try_advisory_lock($1) as owned",
    [ownerLock],
  );
  return rows[0]?.owned === true;
}
