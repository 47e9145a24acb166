import type { FastifyBaseLogger } from "fastify";
import type { Redis } from "ioredis";
import type { AuthDeps } from "../auth/authenticate.ts";
import type { IdentityProvider } from "../auth/oidc.ts";
import type { Db } from "../db/connect.ts";
import type { DatabaseProbe } from "../db/probe.ts";
import type { Aside } from "../lib/journal-aside.ts";
import type { Depth } from "../lib/journal-directory.ts";
import type { Log } from "../lib/log.ts";
import type { Others } from "../lib/others.ts";
import type { Metrics } from "../metrics.ts";
import type { QuarantineKeeper } from "../ingest/quarantine-keeper.ts";
import type { UploadPolicy } from "../store/cells.ts";
import type { Bell } from "../tasks/bell.ts";
import type { Kinds } from "../tasks/kind.ts";
import type { Neighbours } from "../streaming/elsewhere.ts";
import type { LiveSettings } from "../streaming/live.ts";
import type { TtnClient } from "../ttn/client.ts";
import type { DoorDeps } from "./door.ts";

/** What is needed where devices upload and scientists read. */
export interface ReadingDeps extends DoorDeps {
  readonly db: Db;
  /** The same database as `db`, for spans of readings. */
  readonly reads: Db;
}

/** What is looked at to tell whether the server is ready. */
export interface ReadyzDeps {
  readonly probe: Pick<DatabaseProbe, "isUp">;
  /** What holds uploads on disk. Undefined: nothing does. */
  readonly journal?: {
    depth(): Pick<Depth, "records" | "bytes">;
    aside(): Aside;
    isWritable(): boolean;
  };
  readonly bell: Pick<Bell, "isUp">;
  /** Whether the database has the form that this product needs. */
  readonly isMigrated?: () => boolean;
}

/** What the resources need of the rest of the product; each asks for the part it uses. */
export interface ServerDeps extends ReadingDeps, AuthDeps, ReadyzDeps {
  readonly logger: FastifyBaseLogger;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly quarantine: QuarantineKeeper;
  /** What long work there is, and what tells workers of it. */
  readonly kinds: Kinds;
  readonly bell: Bell;
  readonly provider: IdentityProvider;
  readonly settings: ServerSettings;
  /** Counts requests for all machines together. Undefined: each server counts for itself. */
  readonly redis?: Redis | undefined;
  /** Undefined: loggers are not registered on The Things Stack. */
  readonly ttn: TtnClient | undefined;
  /** Undefined: nobody shares this process's port. */
  readonly neighbours?: Neighbours | undefined;
  /** Undefined: there are no other processes of this server. */
  readonly others?: Others | undefined;
}

export interface ServerSettings extends LiveSettings {
  /** http://host:port or https://host, as the world sees us, without a slash at its end. */
  readonly publicUrl: string;
  /** Addresses of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: string | false;
  /** Where pages come from that may act for their users, beside the public URL: `https://host`. */
  readonly corsOrigins: readonly string[];
  /** What one address may ask in a minute that shows no token or key; the other limits follow. Undefined: no limits. */
  readonly requestsPerMinute: number | undefined;
  /** Whether anyone may make an account. */
  readonly registrationOpen: boolean;
  /** Who may upload to a new cell, where its maker doesn't say. */
  readonly defaultUploadPolicy: UploadPolicy;
  /** Who shows it may read the metrics. Undefined: who is on this machine may. */
  readonly metricsToken: string | undefined;
  /** What an upload that goes to quarantine is answered with: its error's status, or 200 all the same. */
  readonly unplacedStatus: "4xx" | "200";
  /** How long results of tasks are kept. */
  readonly resultTtl_s: number;
  /** How many tasks of one user may wait or run at the same time. */
  readonly tasksPerUser: number;
  /** What the results of one user may take of the disk, and the files that they have sent to be imported. */
  readonly resultsMax_bytes: number;
  /** What the files of one import may come to. */
  readonly importMax_bytes: number;
  /** A directory on the database's disk, where that is this machine's: what is sent leaves room on it. */
  readonly diskOf?: string | undefined;
}
