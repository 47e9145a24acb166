import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { IdentityProvider } from "./auth/oidc.ts";
import type { Config } from "./config.ts";
import { awaitDatabase, type AwaitedDatabase } from "./db/open.ts";
import { Ingest } from "./ingest/ingest.ts";
import { openMetrics } from "./ingest/metrics.ts";
import { QuarantineKeeper } from "./ingest/quarantine-keeper.ts";
import { defineError } from "./lib/errors.ts";
import { systemClock } from "./lib/clock.ts";
import { deadline, Late } from "./lib/deadline.ts";
import { every } from "./lib/every.ts";
import { Journal } from "./lib/journal.ts";
import type { Log } from "./lib/log.ts";
import { openRedis } from "./lib/redis.ts";
import { readOrCreateSecret } from "./lib/secret-file.ts";
import type { ServerDeps } from "./resources/deps.ts";
import { identifySender } from "./resources/sender.ts";
import { buildServer } from "./resources/server.ts";
import { sweepDeleted } from "./store/deletions.ts";
import { createDemo, findExample, type Example } from "./store/demo.ts";
import { openBell } from "./tasks/bells.ts";
import { openKinds } from "./tasks/kinds.ts";
import { WorkerProcess } from "./tasks/worker-process.ts";
import { forgetArrivals } from "./timeseries/arrivals.ts";
import { TtnClient } from "./ttn/client.ts";

const portTaken = defineError(
  "unavailable",
  "port_taken",
  "port {port} of {host} is taken, perhaps by another ents-backend: stop that, or set PORT to another number",
);

/** How long the readings of a deleted cell wait at most until they begin to go. */
const sweepInterval_ms = 5000;

/** How long listeners that were cut off find out what they have missed. */
const arrivalLimits = { age_s: 24 * 3600, size_bytes: 256 * 1024 * 1024 };
const forgetInterval_ms = 60_000;

/** How long a request may take to arrive once the server is to close. */
const closing_ms = 3000;

export interface App {
  /** http://host:port, without a slash at its end. */
  readonly url: string;
  /** A cell and logger to try an upload with, if there is an open cell: told once the database is ready. */
  readonly example: Promise<Example | undefined>;
  close(): Promise<void>;
}

/** Opens the database and then the API; `close` closes them in reverse, after the requests in flight. */
export async function openApp(config: Config, logger: FastifyBaseLogger): Promise<App> {
  const auth = await authOf(config);
  const journal = await Journal.open(join(config.dataDir, "journal"), {
    maxBytes: config.journalMax_bytes,
    log: logger,
    clock: systemClock,
  });
  const database = await awaitDatabase({
    ...config,
    log: logger,
    meanwhile: "uploads are kept on disk",
  });
  const quarantine = new QuarantineKeeper({
    db: database.db,
    log: logger,
    clock: systemClock,
    max_bytes: config.quarantineMax_bytes,
  });
  quarantine.start();
  const metrics = openMetrics();
  metrics.addProcess();
  metrics.beforeReading(() => {
    const { quarantinedUploads, quarantinedBytes, evicted } = quarantine.stats();
    metrics.quarantineUploads.set(quarantinedUploads);
    metrics.quarantineBytes.set(quarantinedBytes);
    metrics.quarantineEvicted.reset();
    metrics.quarantineEvicted.inc(evicted);
  });
  const ingest = new Ingest(
    {
      db: database.writes,
      metrics,
      quarantine,
      settings: config,
      log: logger,
      journal,
      identify: (credentials, receivedAt) =>
        identifySender({ db: database.writes }, credentials, receivedAt),
      probe: async () => await checkUp(database),
    },
    !database.isReady(),
  );
  const bell = openBell(database, { ...config, log: logger });
  const worker = new WorkerProcess(logger);
  const redis = config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, logger);
  const server = buildServer({
    ...auth,
    redis,
    ingest,
    journal,
    metrics,
    probe: database,
    db: database.db,
    reads: database.reads,
    isMigrated: () => database.isReady(),
    ttn: config.ttn && new TtnClient(config.ttn, logger),
    log: logger,
    logger,
    clock: systemClock,
    quarantine,
    bell,
    kinds: openKinds({ ...database, clock: systemClock }),
  });
  const sweeper = every(
    sweepInterval_ms,
    (signal) => sweepDeleted(database.db, signal),
    (error) => logger.warn({ err: error }, "the readings of deleted cells stay for now"),
  );
  const forgetter = every(
    forgetInterval_ms,
    (signal) => forgetArrivals(database.db, arrivalLimits, signal),
    (error) => logger.warn({ err: error }, "what is old stays in the log of arrivals for now"),
  );
  const close = async (): Promise<void> => {
    try {
      await Promise.all([worker.stop(), closeServer(server)]);
    } finally {
      redis?.disconnect();
      // A database that hangs is not waited for: all that was acknowledged is in it, or on disk.
      const owners = [sweeper, forgetter, quarantine];
      await inTime(
        Promise.all([...owners.map((owner) => owner.stop()), ingest.close(), bell.close()]),
      );
      await journal.close();
      await inTime(database.close());
    }
  };
  try {
    const example = offerExample(config, database, logger);
    // Who is told where we listen may upload to it at once.
    if (database.isReady()) await example;
    await server.listen({ port: config.port, host: config.host });
    if (config.worker) worker.start();
    const { port } = server.addresses()[0] as AddressInfo;
    return { url: formatUrl(config.host, port), example, close };
  } catch (error) {
    await close();
    if (isPortTaken(error)) throw portTaken({ port: config.port, host: config.host });
    throw error;
  }
}

const notUp = defineError("unavailable", "database_not_up", "the database doesn't answer");

/** @throws KnownError while the database can't take uploads */
async function checkUp(database: AwaitedDatabase): Promise<void> {
  if (!(await database.isUp())) throw notUp();
}

/** What a new user is shown to begin with, once the database is ready. */
async function offerExample(
  { demo }: Config,
  database: AwaitedDatabase,
  log: Log,
): Promise<Example | undefined> {
  if (!(await database.whenReady())) return undefined;
  try {
    if (demo) await createDemo(database.db);
    return await findExample(database.db);
  } catch (error) {
    log.warn({ err: error }, "there is no cell to try an upload with");
    return undefined;
  }
}

async function inTime(act: Promise<unknown>): Promise<void> {
  await deadline(closing_ms, act).catch((error: unknown) => {
    if (!(error instanceof Late)) throw error;
  });
}

/** Answers the requests that have arrived; a connection that sends nothing more isn't waited for. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const impatience = setTimeout(() => server.server.closeAllConnections(), closing_ms);
  await server.close();
  clearTimeout(impatience);
}

/** Who signs tokens and with what; whom users may log in with; what else the API is told by the configuration. */
async function authOf(
  config: Config,
): Promise<Pick<ServerDeps, "tokens" | "provider" | "settings">> {
  const secret = config.jwtSecret ?? (await readOrCreateSecret(join(config.dataDir, "jwt.secret")));
  const seal = createHash("sha256").update("login ").update(secret).digest();
  return {
    tokens: { secret: Buffer.from(secret), issuer: config.publicUrl },
    provider: new IdentityProvider(config.provider, seal),
    settings: config,
  };
}

function formatUrl(host: string, port: number): string {
  if (["127.0.0.1", "0.0.0.0", "::"].includes(host)) return `http://localhost:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
