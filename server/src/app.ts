import { createHash } from "node:crypto";
import type { AddressInfo, BoundSocket } from "node:net";
import { join } from "node:path";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { IdentityProvider } from "./auth/oidc.ts";
import type { Config } from "./config.ts";
import { awaitDatabase, type AwaitedDatabase } from "./db/open.ts";
import { Ingest, type IngestDeps } from "./ingest/ingest.ts";
import { openMetrics, type Gather, type Metrics } from "./metrics.ts";
import { QuarantineKeeper } from "./ingest/quarantine-keeper.ts";
import type { Others } from "./lib/others.ts";
import { RunDirectory } from "./lib/run-directory.ts";
import { systemClock } from "./lib/clock.ts";
import { deadline, Late } from "./lib/deadline.ts";
import { every, type Repetition } from "./lib/every.ts";
import { Journal } from "./lib/journal.ts";
import type { Log } from "./lib/log.ts";
import { openRedis } from "./lib/redis.ts";
import { readOrCreateSecret } from "./lib/secret-file.ts";
import { toKnown } from "./processes/bound-port.ts";
import { Closing } from "./http/closing.ts";
import type { ServerDeps } from "./http/deps.ts";
import { identifySender } from "./http/sender.ts";
import { buildServer } from "./resources/server.ts";
import { sweepDeleted } from "./store/deletions.ts";
import type { Neighbours } from "./streaming/elsewhere.ts";
import { createDemo, findExample, type Example } from "./store/demo.ts";
import type { Bell } from "./tasks/bell.ts";
import { openBell } from "./tasks/bells.ts";
import { openKinds } from "./tasks/kinds.ts";
import { forgetArrivals } from "./timeseries/arrivals.ts";
import { TtnClient } from "./ttn/client.ts";

/** How long the readings of a deleted cell wait at most until they begin to go. */
const sweepInterval_ms = 5000;

/** How long listeners that were cut off find out what they have missed. */
const arrivalLimits = { age_s: 24 * 3600, size_bytes: 256 * 1024 * 1024 };
const forgetInterval_ms = 60_000;

/** How soon is seen what another process has left in the journal. */
const lookInterval_ms = 5000;

/** How late it is written down at most when loggers were last heard of. */
const sightingsInterval_ms = 10_000;

/** How long an example is waited for before uploads are taken. */
const example_ms = 1000;

/** How long the database is waited for at the end. */
const closing_ms = 3000;

export interface App {
  readonly port: number;
  readonly metrics: Metrics;
  /** A cell and logger to try an upload with, if there is an open cell: told once the database is ready. */
  readonly example: Promise<Example | undefined>;
  /** @param linger_ms how long connections are kept for a next request that may be on its way */
  close(linger_ms: number): Promise<void>;
}

/** Where an app listens, and beside whom. */
interface Place {
  /** A host and port; or a socket, its own or as a file descriptor. */
  readonly listen: { readonly host: string; readonly port: number } | BoundPlace;
  /** The port that it may share with others, where it is bound to it already. */
  readonly port?: number;
  /** The other processes of this server, and what all of them count. Undefined: this one is alone. */
  readonly parent?: Others & { readonly gather: Gather };
}

interface BoundPlace {
  readonly handle?: BoundSocket;
  readonly fd?: number;
}

/** Opens the database and then the API; `close` closes them in reverse, after the requests in flight. */
export async function openApp(
  config: Config,
  logger: FastifyBaseLogger,
  place: Place,
): Promise<App> {
  const auth = await authOf(config);
  const parts = await openParts(config, logger, place);
  const server = await openServer({ ...parts, ...auth }, config, logger, place);
  const close = closer(parts, new Closing(server), startRounds({ ...parts, log: logger }));
  try {
    const example = offerExample(config, parts.database, logger);
    // Who is told where we listen may upload to it at once.
    if (parts.database.isReady()) await inTime(example_ms, example);
    // Of a host that isn't told, the framework would look for further addresses.
    await server.listen({ host: "0.0.0.0", ...place.listen });
    const { port } = server.addresses()[0] as AddressInfo;
    return { port, metrics: parts.metrics, example, close };
  } catch (error) {
    await close(0);
    throw toKnown(error, config);
  }
}

/** What the API stands on. */
interface Parts {
  readonly journal: Journal;
  readonly database: AwaitedDatabase;
  readonly quarantine: QuarantineKeeper;
  readonly metrics: Metrics;
  readonly ingest: Ingest;
  readonly bell: Bell;
  readonly redis: ServerDeps["redis"];
}

async function openParts(config: Config, log: Log, { parent }: Place): Promise<Parts> {
  const journal = await Journal.open(join(config.dataDir, "journal"), {
    max_bytes: config.journalMax_bytes,
    log,
    clock: systemClock,
  });
  const database = await awaitDatabase({ ...config, log, meanwhile: "uploads are kept on disk" });
  const quarantine = new QuarantineKeeper({
    db: database.db,
    log,
    clock: systemClock,
    max_bytes: config.quarantineMax_bytes,
  });
  quarantine.start();
  const metrics = openMetrics(parent?.gather);
  metrics.addProcess();
  countQuarantine(metrics, quarantine);
  return {
    journal,
    database,
    quarantine,
    metrics,
    ingest: openIngest({ journal, database, quarantine, metrics, settings: config, log }),
    bell: openBell(database, { ...config, log }),
    redis: config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, log),
  };
}

function openIngest({
  database,
  ...deps
}: Pick<IngestDeps, "metrics" | "quarantine" | "settings" | "log" | "journal"> & {
  readonly database: AwaitedDatabase;
}): Ingest {
  const db = database.writes;
  return new Ingest(
    {
      ...deps,
      db,
      identify: (credentials, receivedAt) => identifySender({ db }, credentials, receivedAt),
      probe: database,
    },
    !database.isReady(),
  );
}

async function openServer(
  { database, ...parts }: Parts & Auth,
  config: Config,
  logger: FastifyBaseLogger,
  place: Place,
): Promise<FastifyInstance> {
  return buildServer({
    ...parts,
    probe: database,
    db: database.db,
    reads: database.reads,
    isMigrated: () => database.isReady(),
    ttn: config.ttn && new TtnClient(config.ttn, logger),
    log: logger,
    logger,
    clock: systemClock,
    kinds: openKinds({ ...database, clock: systemClock }),
    neighbours: await findNeighbours(config.dataDir, place.port),
    others: place.parent,
  });
}

/** @returns what closes all of it, in reverse */
function closer(
  { journal, database, quarantine, ingest, bell, redis }: Parts,
  closing: Closing,
  rounds: readonly Repetition[],
): App["close"] {
  return async (linger_ms) => {
    try {
      await closing.close(linger_ms);
    } finally {
      redis?.disconnect();
      // A database that hangs is not waited for: all that was acknowledged is in it, or on disk.
      const owners = [...rounds, quarantine];
      await inTime(
        closing_ms,
        Promise.all([...owners.map((owner) => owner.stop()), ingest.close(), bell.close()]),
      );
      await journal.close();
      await inTime(closing_ms, database.close());
    }
  };
}

/** The metrics of the quarantine are as the keeper last saw it. */
function countQuarantine(metrics: Metrics, keeper: QuarantineKeeper): void {
  metrics.beforeReading(() => {
    const { quarantinedUploads, quarantinedBytes, evicted } = keeper.stats();
    metrics.quarantineUploads.set(quarantinedUploads);
    metrics.quarantineBytes.set(quarantinedBytes);
    metrics.quarantineEvicted.reset();
    metrics.quarantineEvicted.inc(evicted);
  });
}

interface RoundsDeps {
  readonly database: AwaitedDatabase;
  readonly journal: Journal;
  readonly ingest: Ingest;
  readonly log: Log;
}

/** What is done again and again, by each process: one skips what another is at. */
function startRounds({ database, journal, ingest, log }: RoundsDeps): Repetition[] {
  const round = (
    interval_ms: number,
    act: (signal: AbortSignal) => Promise<unknown>,
    failure: string,
  ) => every(interval_ms, act, (err) => log.warn({ err }, failure));
  return [
    round(
      sweepInterval_ms,
      (signal) => sweepDeleted(database.db, signal),
      "the readings of deleted cells stay for now",
    ),
    round(
      forgetInterval_ms,
      (signal) => forgetArrivals(database.db, arrivalLimits, signal),
      "what is old stays in the log of arrivals for now",
    ),
    round(
      sightingsInterval_ms,
      () => ingest.noteSightings(),
      "when loggers were last heard of isn't written down for now",
    ),
    round(
      lookInterval_ms,
      async () => {
        await journal.look();
        ingest.catchUp();
      },
      "the journal can't be looked at for now",
    ),
  ];
}

/** How the processes find each other that share a port, beside each other or in turn. */
async function findNeighbours(
  dataDir: string,
  port: number | undefined,
): Promise<Neighbours | undefined> {
  if (port === undefined) return undefined;
  const run = await RunDirectory.open(dataDir);
  return { name: RunDirectory.newName(), pathOf: (name) => run.pathOf(port, name) };
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

async function inTime(limit_ms: number, act: Promise<unknown>): Promise<void> {
  await deadline(limit_ms, act).catch((error: unknown) => {
    if (!(error instanceof Late)) throw error;
  });
}

type Auth = Pick<ServerDeps, "tokens" | "provider" | "settings">;

/** Who signs tokens and with what; whom users may log in with; what else the API is told by the configuration. */
async function authOf(config: Config): Promise<Auth> {
  const secret = config.jwtSecret ?? (await readOrCreateSecret(join(config.dataDir, "jwt.secret")));
  const seal = createHash("sha256").update("login ").update(secret).digest();
  return {
    tokens: { secret: Buffer.from(secret), issuer: config.publicUrl },
    provider: new IdentityProvider(config.provider, seal),
    settings: config,
  };
}
