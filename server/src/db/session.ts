import { Kysely, PostgresDialect, sql } from "kysely";
import { Client } from "pg";
import { checkServer, types, type Db } from "./connect.ts";
import { startEmbedded } from "./embedded.ts";
import type { ServerOptions } from "./server.ts";
import type { Tables } from "./tables.ts";

/** One connection to the database, for what takes long and has to be one transaction, COPY in it. */
export interface Session {
  readonly client: Client;
  /** The same connection. */
  readonly db: Db;
}

/**
 * Gives a connection of its own to the database, as it is: nothing is migrated. What it runs is not limited in time.
 *
 * @param signal ends the connection, whatever it is doing: what isn't committed by then won't be
 * @throws KnownError when the database can't be reached or started
 */
export async function withSession<T>(
  { databaseUrl, dataDir, log }: ServerOptions,
  signal: AbortSignal,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const embedded = databaseUrl === undefined ? await startEmbedded({ dataDir, log }) : undefined;
  const client = openClient(embedded?.url ?? databaseUrl!);
  // With a statement under way, this doesn't wait for it.
  const end = () => void client.end();
  signal.addEventListener("abort", end);
  try {
    const session = { client, db: overClient(client) };
    await checkServer(session.db);
    await liftLimits(session);
    signal.throwIfAborted();
    return await run(session);
  } finally {
    signal.removeEventListener("abort", end);
    await client.end();
    await embedded?.stop();
  }
}

function openClient(connectionString: string): Client {
  const client = new Client({
    connectionString,
    application_name: "ents-backend",
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  });
  // What is under way fails with it; unheard, it would end the process.
  client.on("error", () => undefined);
  return client;
}

function overClient(client: Client): Db {
  let connected: Promise<void> | undefined;
  const lease = {
    query: client.query.bind(client),
    release: () => undefined,
  };
  const pool = {
    options: {},
    async connect() {
      connected ??= client.connect().then(() => undefined);
      await connected;
      return lease;
    },
    end: async () => {},
  };
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** A role or a database may come with limits that are meant for others. */
async function liftLimits({ db }: Session): Promise<void> {
  await sql`
    select set_config(name, '0', false) from pg_settings
    where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout')`.execute(
    db,
  );
  // A statement whose client is gone would otherwise go on to its end.
  await sql`set client_connection_check_interval = '1s'`.execute(db);
}
