import { Queue, Worker } from "bullmq";
import { Redis, type RedisOptions } from "ioredis";
import { deadline } from "../lib/deadline.ts";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Bell, Listener, Ring } from "./bell.ts";

const redisAway = defineError("unavailable", "redis_away", "Redis can't be reached");

const queueName = "ents-tasks";
const longestRetry_ms = 2000;
const longestClose_ms = 3000;

/** Rings of workers that went without a word are heard again after that long. */
const lock_ms = 15_000;

/** The bell on Redis, by BullMQ: for workers on any number of machines. */
export class RedisBell implements Bell {
  readonly #url: string;
  readonly #log: Log;
  readonly #redis: Redis;
  readonly #queue: Queue;
  #wasUp = true;
  readonly #noteAway = (): void => {
    if (this.#wasUp)
      this.#log.warn({}, "Redis can't be reached: tasks are kept, and begin once it is back");
    this.#wasUp = false;
  };

  /** @param url redis://… or rediss://…; connects by itself, now and whenever it has lost the connection */
  constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
    this.#redis = new Redis(url, connection);
    this.#redis.on("ready", () => void this.#noteReady());
    this.#redis.on("close", this.#noteAway);
    this.#redis.on("error", (error) => log.debug({ err: error }, "Redis"));
    this.#queue = new Queue(queueName, { connection: this.#redis });
    this.#queue.on("error", () => {});
  }

  async ring({ id, attempts }: Ring): Promise<void> {
    // It would wait for Redis to come back, however long that takes.
    if (!this.isUp()) throw redisAway();
    const forget = { removeOnComplete: true, removeOnFail: true };
    await this.#queue.add("task", { id }, { jobId: `${id}-${attempts}`, ...forget });
  }

  listen(take: (id: string) => Promise<void>, atOnce: number): Listener {
    const worker = new Worker<{ id: string }>(
      queueName,
      async ({ data: { id } }) => await take(id),
      {
        connection: { url: this.#url, ...connection },
        concurrency: atOnce,
        lockDuration: lock_ms,
        stalledInterval: lock_ms,
      },
    );
    // What it can't say to Redis, the database knows: a ring that comes again finds nothing to do.
    worker.on("error", (error) => this.#log.debug({ err: error }, "the queue on Redis"));
    return {
      async stop() {
        // A Redis that is away can't be told.
        await deadline(longestClose_ms, worker.close()).catch(() => worker.disconnect());
      },
    };
  }

  isUp(): boolean {
    return this.#redis.status === "ready";
  }

  async close(): Promise<void> {
    this.#redis.off("close", this.#noteAway);
    await deadline(longestClose_ms, this.#queue.close()).catch(() => {});
    this.#redis.disconnect();
  }

  async #noteReady(): Promise<void> {
    if (!this.#wasUp) this.#log.info({}, "Redis is back");
    this.#wasUp = true;
    const memory = await this.#redis.info("memory").catch(() => "");
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? "noeviction";
    if (policy !== "noeviction")
      this.#log.warn(
        { policy },
        "Redis may forget which tasks wait, and they begin later: set its maxmemory-policy to noeviction",
      );
  }
}

const connection = {
  maxRetriesPerRequest: null,
  retryStrategy: (times: number) => Math.min(100 * times, longestRetry_ms),
} satisfies RedisOptions;
