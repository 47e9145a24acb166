import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { afterAll, beforeAll } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import { buildServer, type ServerLimits } from "../../src/resources/server.ts";
import { useDatabase } from "./database.ts";
import { silentLog } from "./log.ts";

/** The API on a database of its own, with a clock that stands where the test puts it. */
export interface TestApi {
  readonly app: FastifyInstance;
  readonly db: Db;
  /** Unix seconds; the server's clock reads this. */
  now: number;
  get(url: string): Promise<LightMyRequestResponse>;
  postJson(url: string, body: object): Promise<LightMyRequestResponse>;
  /** Uploads protobuf as a node does. */
  postBytes(bytes: Uint8Array, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
  /** Uploads protobuf, given in hexadecimal, as a node does. */
  postHex(hex: string, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
  inject(options: InjectOptions): Promise<LightMyRequestResponse>;
}

/** Gives the test file that calls it an API, there from its first test to its last. */
export function useApi(limits?: ServerLimits): TestApi {
  const database = useDatabase();
  let app: FastifyInstance;
  const inject = async (options: InjectOptions): Promise<LightMyRequestResponse> =>
    await app.inject(options);
  const api: TestApi = {
    now: Date.parse("2024-01-16T00:00:00Z") / 1000,
    get app() {
      return app;
    },
    get db() {
      return database.db;
    },
    inject,
    get: async (url) => await inject({ method: "GET", url }),
    postJson: async (url, body) => await inject({ method: "POST", url, payload: body }),
    postBytes: async (bytes, headers = {}) =>
      await inject({
        method: "POST",
        url: "/api/sensor/",
        payload: Buffer.from(bytes),
        headers: { "content-type": "application/octet-stream", ...headers },
      }),
    postHex: async (hex, headers) => await api.postBytes(Buffer.from(hex, "hex"), headers),
  };
  beforeAll(async () => {
    app = buildServer(
      { db: database.db, log: silentLog, logger: silentLog, clock: () => api.now },
      limits,
    );
    await app.ready();
  });
  afterAll(async () => {
    await app.close();
  });
  return api;
}
