import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { afterAll, beforeAll, expect } from "vitest";
import { IdentityProvider } from "../../src/auth/oidc.ts";
import { checkServer, type Db } from "../../src/db/connect.ts";
import type { DatabaseProbe } from "../../src/db/probe.ts";
import { Ingest, type IngestDeps } from "../../src/ingest/ingest.ts";
import { openMetrics } from "../../src/metrics.ts";
import { QuarantineKeeper } from "../../src/ingest/quarantine-keeper.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { KnownError } from "../../src/lib/errors.ts";
import type { ServerDeps } from "../../src/http/deps.ts";
import { defaultLimits, type ServerLimits } from "../../src/resources/limits.ts";
import { identifySender } from "../../src/http/sender.ts";
import { buildServer } from "../../src/resources/server.ts";
import type { Bell } from "../../src/tasks/bell.ts";
import { openKinds } from "../../src/tasks/kinds.ts";
import { useDatabase } from "./database.ts";
import { watchAnswers } from "./documented.ts";
import { silentLog } from "./log.ts";

/** The API on a database of its own, with a clock that stands where the test puts it. */
export interface TestApi {
  readonly app: FastifyInstance;
  readonly db: Db;
  /** For programs that connect to its database by themselves. */
  readonly databaseUrl: string;
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

/** What the API needs beside a database: all of it for tests, with a secret that everyone knows. */
export function testDeps(db: Db, clock: Clock): ServerDeps {
  return {
    db,
    reads: db,
    probe: probeOf(db),
    clock,
    ingest: testIngest(db),
    log: silentLog,
    logger: silentLog,
    metrics: openMetrics(),
    tokens: { secret: Buffer.alloc(32, "test"), issuer: "http://localhost:8000" },
    provider: new IdentityProvider(undefined, Buffer.alloc(32)),
    settings: {
      publicUrl: "http://localhost:8000",
      trustProxy: false,
      corsOrigins: [],
      requestsPerMinute: undefined,
      registrationOpen: true,
      defaultUploadPolicy: "key",
      metricsToken: undefined,
      livePerAddress: 100,
      unplacedStatus: "4xx",
      resultTtl_s: 7 * 86_400,
      tasksPerUser: 5,
      resultsMax_bytes: 1e9,
      importMax_bytes: 2e9,
    },
    kinds: openKinds({ db, clock }),
    bell: silentBell,
    quarantine: new QuarantineKeeper({ db, clock, log: silentLog, max_bytes: 1e9 }),
    ttn: undefined,
  };
}

/** Asks over the connections that a test has. */
export function probeOf(db: Db): Pick<DatabaseProbe, "isUp"> {
  return {
    isUp: async () =>
      await checkServer(db).then(
        () => true,
        () => false,
      ),
  };
}

/** Nobody hears it. */
export const silentBell: Bell = {
  ring: async () => {},
  listen: () => ({ stop: async () => {} }),
  isUp: () => true,
  close: async () => {},
};

/** A journal on a disk that is full. */
const fullJournal: IngestDeps["journal"] = {
  append: async () => {
    throw new KnownError("unavailable", "journal_full", "the journal is full");
  },
  drain: async () => {},
  depth: () => ({ records: 0, bytes: 0 }),
};

/**
 * The write path of a server; one whose journal takes nothing, where the test doesn't bring one, and that waits for the
 * database however busy the machine is with other tests.
 */
export function testIngest(
  db: Db,
  {
    log = silentLog,
    journal = fullJournal,
    quarantine = { noteKept: () => {} },
    metrics = openMetrics(),
    patience_ms = 20_000,
  }: Partial<Pick<IngestDeps, "log" | "journal" | "metrics" | "quarantine" | "patience_ms">> = {},
): Ingest {
  return new Ingest({
    db,
    settings: { defaultUploadPolicy: "key" },
    log,
    journal,
    metrics,
    quarantine,
    patience_ms,
    identify: async (credentials, receivedAt) =>
      await identifySender({ db }, credentials, receivedAt),
    probe: probeOf(db),
  });
}

/**
 * Gives the test file that calls it an API, there from its first test to its last.
 *
 * @param others what it is to have instead of what it has in other tests, made when it begins
 */
export function useApi(
  limits: Partial<ServerLimits> = {},
  others: (usual: ServerDeps) => Partial<ServerDeps> | Promise<Partial<ServerDeps>> = () => ({}),
): TestApi {
  const database = useDatabase();
  let app: FastifyInstance;
  let answers: ReturnType<typeof watchAnswers>;
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
    get databaseUrl() {
      return database.url;
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
    const usual = testDeps(database.db, () => api.now);
    app = buildServer({ ...usual, ...(await others(usual)) }, { ...defaultLimits, ...limits });
    answers = watchAnswers(app);
    await app.ready();
  });
  afterAll(async () => {
    const undocumented = answers.undocumented();
    await app.close();
    expect(undocumented, "answers that docs/openapi.json doesn't know").toEqual([]);
  });
  return api;
}
