import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { afterAll, afterEach, expect } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import type { Ingest } from "../../src/ingest/ingest.ts";
import type { Journal } from "../../src/lib/journal.ts";
import { buildServer } from "../../src/resources/server.ts";
import { testDeps, testIngest, type TestApi } from "./api.ts";
import { filesIn, openJournal } from "./journal.ts";
import { silentLog } from "./log.ts";

/** A server that has a journal. */
export interface JournalServer {
  readonly app: FastifyInstance;
  readonly ingest: Ingest;
  readonly journal: Journal;
  stop(): Promise<void>;
}

/** What an upload shows of who sends it: in its URL, or as headers. */
export interface Shown {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Servers with journals beside an API, on its database and by its clock, that end with their test; and a database that
 * isn't there, for them to do without.
 */
export function useJournalServers(api: TestApi) {
  const away = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
  afterAll(async () => {
    await away.destroy();
  });

  const running = new Set<JournalServer>();
  afterEach(async () => {
    for (const server of running) await server.stop();
  });

  /** A server that keeps its journal in a directory, as one process does from its start to its end. */
  async function start(db: Db, path: string, max_bytes = 2 ** 20): Promise<JournalServer> {
    const journal = await openJournal(path, { max_bytes });
    const ingest = testIngest(db, { journal });
    const app = buildServer({ ...testDeps(db, () => api.now), ingest, journal });
    const server: JournalServer = {
      app,
      ingest,
      journal,
      stop: async () => {
        if (!running.delete(server)) return;
        await app.close();
        await ingest.close();
        await journal.close();
      },
    };
    running.add(server);
    return server;
  }

  /** Waits until a server has done what its journal holds. */
  async function applied({ journal }: JournalServer, path: string): Promise<void> {
    const options = { timeout: 15_000 };
    await expect.poll(() => journal.depth().records, options).toBe(0);
    // What is done is counted before its file goes.
    await expect.poll(async () => await filesIn(path), options).toEqual([]);
  }

  /** Puts the journal of a server that ran without its database to the database. */
  async function restart(path: string): Promise<void> {
    const server = await start(api.db, path);
    await applied(server, path);
    await server.stop();
  }

  /** What is stored of a cell, by instant; all times in Unix seconds. */
  async function readingsOf(cellId: number) {
    const rows = await api.db
      .selectFrom("reading")
      .innerJoin("sensor", "sensor.id", "sensor_id")
      .select(["ts", "value", "received_at", "reading.logger_id"])
      .where("cell_id", "=", cellId)
      .orderBy("ts")
      .execute();
    return rows.map((row) => ({
      ...row,
      ts: row.ts.getTime() / 1000,
      received_at: row.received_at.getTime() / 1000,
    }));
  }

  return { away, start, applied, restart, readingsOf };
}

/** Posts a message, as a node does; answers what the node gets. */
export async function upload(
  { app }: JournalServer,
  message: { readonly headers?: object; readonly payload?: unknown },
  { url = "/api/sensor/", headers = {} }: Shown = {},
): Promise<LightMyRequestResponse> {
  return await app.inject({
    method: "POST",
    url,
    payload: message.payload as Buffer,
    headers: { ...message.headers, ...headers },
  });
}

/** An upload that no codec can read. */
export const undecodable = {
  headers: { "content-type": "application/octet-stream" },
  payload: Buffer.from("ffff", "hex"),
};
