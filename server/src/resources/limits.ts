import { openFilesLimit } from "../lib/open-files.ts";
import type { ConnectionLimits } from "../http/connections.ts";
import type { DownloadLimits } from "./export.ts";
import { longestArrival_ms } from "../http/slow-requests.ts";

/** How much of anything one request may be, and for how long. */
export interface ServerLimits extends ConnectionLimits, DownloadLimits {
  /** How long a request may take to arrive. */
  readonly requestTimeout_ms: number;
  /** How long its head may take, counted from when its connection was opened or was last answered. */
  readonly headersTimeout_ms: number;
  /** How long nothing may move on a connection: who asks and doesn't read the answer is cut off. */
  readonly idleTimeout_ms: number;
  readonly bodyLimit_bytes: number;
  /** Of a request's method, URL and headers together. */
  readonly headLimit_bytes: number;
}

/** Files that the database's connections, the journal and long answers need beside the connections here. */
const otherFiles = 500;

export const defaultLimits: ServerLimits = {
  requestTimeout_ms: 30_000,
  headersTimeout_ms: 10_000,
  idleTimeout_ms: 120_000,
  readerPatience_ms: 60_000,
  bodyLimit_bytes: 256 * 1024,
  headLimit_bytes: 16 * 1024,
  connections: Math.max(100, Math.min(15_000, openFilesLimit() - otherFiles)),
  connectionsPerAddress: 2_000,
};

/** The same as the framework's options and those of Node.js. */
export function toOptions(limits: ServerLimits) {
  return {
    bodyLimit: limits.bodyLimit_bytes,
    // Less than that for most routes: limitArrival.
    requestTimeout: longestArrival_ms,
    connectionTimeout: limits.idleTimeout_ms,
    http: {
      headersTimeout: Math.min(limits.headersTimeout_ms, limits.requestTimeout_ms),
      connectionsCheckingInterval: Math.ceil(limits.headersTimeout_ms / 10),
      maxHeaderSize: limits.headLimit_bytes,
      // A node's HTTP client is forgiven what it leaves out.
      requireHostHeader: false,
    },
  };
}
