import { setTimeout as sleep } from "node:timers/promises";
import { Logger, makeWorkerUtils, run, type WorkerUtils } from "graphile-worker";
import { readUrl, type DatabaseUrl, type Db } from "../db/connect.ts";
import { currentSchema } from "../db/migrate.ts";
import type { Log } from "../lib/log.ts";
import type { Bell, Listener, Ring } from "./bell.ts";

interface PostgresBellOptions {
  readonly db: Db;
  /** The same database, for the queue's own connections. */
  readonly url: DatabaseUrl;
  readonly log: Log;
}

/** A ring wakes workers by itself; this finds those that came while they weren't connected. */
const pollInterval_ms = 2000;
const retry_ms = 1000;

/** A ring that dies with its worker is tried again after hours, and then finds nothing to do. */
const maxAttempts = 3;

/** The bell in our own database, by graphile-worker, in a schema beside ours. */
export class PostgresBell implements Bell {
  readonly #options: PostgresBellOptions;
  #ringer: Promise<WorkerUtils> | undefined;

  constructor(options: PostgresBellOptions) {
    this.#options = options;
  }

  async ring({ id, attempts }: Ring): Promise<void> {
    const ringer = await this.#openRinger();
    await ringer.addJob("task", { id }, { jobKey: `${id} ${attempts}`, maxAttempts });
  }

  listen(take: (id: string) => Promise<void>, atOnce: number): Listener {
    const stopping = new AbortController();
    const listening = this.#keepListening(take, atOnce, stopping.signal);
    return {
      async stop() {
        stopping.abort();
        await listening;
      },
    };
  }

  /** As our database is, which others tell of. */
  isUp(): boolean {
    return true;
  }

  async close(): Promise<void> {
    const ringer = await this.#ringer?.catch(() => undefined);
    this.#ringer = undefined;
    await ringer?.release();
  }

  #openRinger(): Promise<WorkerUtils> {
    this.#ringer ??= this.#shared(1)
      .then(makeWorkerUtils)
      .catch((error: unknown) => {
        this.#ringer = undefined;
        throw error;
      });
    return this.#ringer;
  }

  /** Where the database goes away at the wrong moment, what listens ends: it begins again. */
  async #keepListening(
    take: (id: string) => Promise<void>,
    atOnce: number,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await this.#listenOnce(take, atOnce, signal).catch((error: unknown) =>
        this.#options.log.debug({ err: error }, "no queue in the database: trying again"),
      );
      await sleep(retry_ms, undefined, { signal }).catch(() => {});
    }
  }

  async #listenOnce(
    take: (id: string) => Promise<void>,
    atOnce: number,
    signal: AbortSignal,
  ): Promise<void> {
    const runner = await run({
      ...(await this.#shared(atOnce + 1)),
      concurrency: atOnce,
      noHandleSignals: true,
      pollInterval: pollInterval_ms,
      taskList: {
        task: async (payload) => {
          if (isTask(payload)) await take(payload.id);
        },
      },
    });
    const stop = (): void => void runner.stop().catch(() => {});
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await runner.promise.finally(() => signal.removeEventListener("abort", stop));
  }

  async #shared(connections: number) {
    const { db, url, log } = this.#options;
    const schema = await currentSchema(db);
    return {
      connectionString: readUrl(url),
      maxPoolSize: connections,
      schema: schema === "public" ? "graphile_worker" : `${schema}_worker`,
      logger: new Logger(() => (_level, message) => log.debug({ queue: message }, "queue")),
    };
  }
}

function isTask(payload: unknown): payload is { readonly id: string } {
  return typeof payload === "object" && payload !== null && "id" in payload;
}
