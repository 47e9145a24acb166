import { pino } from "pino";
import type { FastifyBaseLogger } from "fastify";

/** Says nothing. */
export const silentLog: FastifyBaseLogger = pino({ level: "silent" });
