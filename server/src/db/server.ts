import type { Log } from "../lib/log.ts";
import { prepareEmbedded, startPrepared, type EmbeddedDatabase } from "./embedded.ts";
import { isServerOf, readLockFile } from "./postmaster.ts";

/** The server that a database is on. */
export interface DatabaseServer {
  /** postgres://… @throws what says that it is starting, as long as it hasn't started for the first time */
  readonly url: () => string;
  /** Starts it where it is ours. @throws KnownError when it doesn't start, whatever the signal ends it by */
  readonly start: (signal?: AbortSignal) => Promise<void>;
  /** Whether it has got as far in its start as to work at it: what keeps one from starting at all comes before. */
  readonly isComing: () => Promise<boolean>;
  /** Stops it where it is ours and nobody else uses it. */
  readonly stop: () => Promise<void>;
}

export interface ServerOptions {
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  /** Whether another process brings an embedded server back that goes away. */
  readonly leavesRestart?: boolean;
  readonly log: Log;
}

/** @throws KnownError when it is the embedded one and there is no way to start it */
export async function findServer({
  databaseUrl,
  dataDir,
  leavesRestart = false,
  log,
}: ServerOptions): Promise<DatabaseServer> {
  if (databaseUrl !== undefined)
    return {
      url: () => databaseUrl,
      start: async () => {},
      isComing: async () => true,
      stop: async () => {},
    };
  const site = await prepareEmbedded({ dataDir, log });
  let embedded: EmbeddedDatabase | undefined;
  return {
    url() {
      if (!embedded) throw startingUp();
      return embedded.url;
    },
    async start(signal) {
      embedded ??= await startPrepared(site, { ...(signal && { signal }), leavesRestart });
    },
    async isComing() {
      const { cluster } = site.layout;
      const lock = await readLockFile(cluster);
      return lock !== undefined && (await isServerOf(lock.pid, cluster));
    },
    async stop() {
      await embedded?.stop();
    },
  };
}

/** As a server says it that one can connect to already. Source: PostgreSQL's error codes. */
function startingUp(): Error {
  return Object.assign(new Error("the database is starting up"), { code: "57P03" });
}
