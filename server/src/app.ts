import type { AddressInfo } from "node:net";
import type { FastifyBaseLogger } from "fastify";
import type { Config } from "./config.ts";
import { openDatabase } from "./db/open.ts";
import { defineError } from "./lib/errors.ts";
import { systemClock } from "./lib/clock.ts";
import { buildServer } from "./resources/server.ts";
import { createDemo, findExample, type Example } from "./store/demo.ts";

const portTaken = defineError(
  "unavailable",
  "port_taken",
  "port {port} of {host} is taken, perhaps by another ents-backend: stop that, or set PORT to another number",
);

export interface App {
  /** http://host:port, without a slash at its end. */
  readonly url: string;
  /** A cell and logger to try an upload with, if there is an open cell. */
  readonly example: Example | undefined;
  close(): Promise<void>;
}

/** Opens the database and then the API; `close` closes them in reverse, after the requests in flight. */
export async function openApp(config: Config, logger: FastifyBaseLogger): Promise<App> {
  const database = await openDatabase({ ...config, log: logger });
  const server = buildServer({ db: database.db, log: logger, clock: systemClock, logger });
  const close = async (): Promise<void> => {
    await server.close();
    await database.close();
  };
  try {
    if (config.demo) await createDemo(database.db);
    await server.listen({ port: config.port, host: config.host });
    const { port } = server.addresses()[0] as AddressInfo;
    return {
      url: formatUrl(config.host, port),
      example: await findExample(database.db),
      close,
    };
  } catch (error) {
    await close();
    if (isPortTaken(error)) throw portTaken({ port: config.port, host: config.host });
    throw error;
  }
}

function formatUrl(host: string, port: number): string {
  if (["127.0.0.1", "0.0.0.0", "::"].includes(host)) return `http://localhost:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
