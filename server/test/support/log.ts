import { pino } from "pino";
import type { FastifyBaseLogger } from "fastify";

/** Says nothing. */
export const silentLog: FastifyBaseLogger = pino({ level: "silent" });

/** What is logged, whatever its level. */
export function listening() {
  const told: unknown[] = [];
  const say = (fields: object, message: string) => void told.push([fields, message]);
  return { told, log: { debug: say, info: say, warn: say, error: say } };
}
