import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Log } from "../lib/log.ts";
import { isLoopback, type Addresses } from "../lib/addresses.ts";
import { networkOf } from "../lib/network.ts";

export interface ConnectionLimits {
  /** Connections at the same time: less than the files that may be open, which the database and the journal need too. */
  readonly connections: number;
  /** Of those, the ones of one network address. */
  readonly connectionsPerAddress: number;
}

const complaint_ms = 60_000;

/**
 * Bounds how many connections there are at the same time, and how many of them one address has: those beyond are closed
 * before they are heard. Proxies, and who is on this machine, speak for many.
 */
export function limitConnections(
  server: Server,
  { connections, connectionsPerAddress }: ConnectionLimits,
  { isProxy, log }: { readonly isProxy: Addresses; readonly log: Log },
): void {
  const complain = atMostEvery(complaint_ms, log);
  const byNetwork = new Map<string, number>();
  server.maxConnections = connections;
  server.on("drop", () => complain({ connections }, "too many connections: others are refused"));
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined || isLoopback(address) || isProxy(address)) return;
    const network = networkOf(address);
    const count = (byNetwork.get(network) ?? 0) + 1;
    if (count > connectionsPerAddress) {
      complain({ address }, "too many connections of one address: others of it are refused");
      socket.destroy();
      return;
    }
    byNetwork.set(network, count);
    socket.once("close", () => release(byNetwork, network));
  });
}

function release(byNetwork: Map<string, number>, network: string): void {
  const count = byNetwork.get(network)! - 1;
  if (count === 0) byNetwork.delete(network);
  else byNetwork.set(network, count);
}

/** A flood is told of, but not once for each of its drops. */
function atMostEvery(interval_ms: number, log: Log): Log["warn"] {
  let last = -Infinity;
  return (fields, message) => {
    const now = performance.now();
    if (now - last < interval_ms) return;
    last = now;
    log.warn(fields, message);
  };
}
