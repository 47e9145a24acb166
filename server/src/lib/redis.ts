import { Redis } from "ioredis";
import type { Log } from "./log.ts";

const longestRetry_ms = 2000;
const patience_ms = 200;

/**
 * Opens a connection to Redis for what can do without it: a command fails at once while Redis is away, and soon when it
 * hangs. It connects by itself, now and whenever it has lost the connection; close with `disconnect()`.
 *
 * @param url redis://… or rediss://…
 */
export function openRedis(url: string, log: Log): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: patience_ms,
    retryStrategy: (times) => Math.min(100 * times, longestRetry_ms),
  });
  redis.on("error", (error) => log.debug({ err: error }, "Redis"));
  return redis;
}
