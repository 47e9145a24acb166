import { realpath } from "node:fs/promises";
import { Client } from "pg";
import { superuser } from "./cluster.ts";
import { isDatabaseThere } from "./fault.ts";

/**
 * A connection that is held for as long as we use the embedded server. PostgreSQL closes it when the
 * server goes, which tells us; and releases its lock when we go, however we do, which tells the others.
 * The lock is a shared one: who can have it alone is the last.
 */
export interface Holder {
  readonly pid: number;
  readonly port: number;
  /** Fulfilled when the connection is over; never rejected. */
  readonly ended: Promise<void>;
  /** Gives up our share of the server; answers whether it was the last one, so that it's ours to stop. */
  leave(): Promise<boolean>;
  close(): Promise<void>;
}

/** Not the server we look for: another program's, or another directory's. */
export class NotOurs extends Error {}

/** The name of the product's database. */
export const databaseName = "ents";

// Any constant; the lock is in the maintenance database, where nobody else takes locks.
const usersLock = 7_301_114_526;

/** Connects to the server of this directory, makes sure of its database, and takes a share of it. */
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
    // Waits while the last user of before is stopping the server; then the connection ends, and we try again.
    await client.query("select pg_advisory_lock_shared($1)", [usersLock]);
    return new ConnectedHolder({ ...options, client, ended });
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

  constructor(parts: { pid: number; port: number; ended: Promise<void>; client: Client }) {
    this.pid = parts.pid;
    this.port = parts.port;
    this.ended = parts.ended;
    this.#client = parts.client;
  }

  async leave(): Promise<boolean> {
    try {
      await this.#client.query("select pg_advisory_unlock_shared($1)", [usersLock]);
      return await tryLock(this.#client);
    } catch {
      return false; // the connection is over, and with it the server or our share
    }
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
    if (!isDatabaseThere(error)) throw error;
  }
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ alone: boolean }>(
    "select pg_try_advisory_lock($1) as alone",
    [usersLock],
  );
  return rows[0]?.alone === true;
}
