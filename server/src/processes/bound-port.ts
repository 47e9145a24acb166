import { lookup } from "node:dns/promises";
import net, { type BoundSocket } from "node:net";
import { defineError } from "../lib/errors.ts";
import { RunDirectory } from "../lib/run-directory.ts";

const portTaken = defineError(
  "unavailable",
  "port_taken",
  "port {port} of {host} is taken, perhaps by another ents-backend: stop that, or set PORT to another number",
);
const hostUnusable = defineError(
  "unavailable",
  "host_unusable",
  "port {port} of {host} can't be listened at ({reason}): set HOST or PORT to another one",
);

interface PortOptions {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
}

/** What a server listens at, before it does: processes that are given its file descriptor accept from one queue. */
interface BoundPort {
  readonly socket: BoundSocket;
  readonly port: number;
}

/** Whether this Node.js can bind a port and leave it to others to listen. */
export const canBindAlone = Reflect.has(net, "BoundSocket");

/**
 * Takes the port. It may be shared only with a server of the same data directory, which this one is to succeed.
 *
 * @throws KnownError when someone else has it, or there is no such address
 */
export async function bindPort({ host, port, dataDir }: PortOptions): Promise<BoundPort> {
  const run = await RunDirectory.open(dataDir);
  try {
    const { address } = await lookup(host, { order: "ipv4first" });
    const isShared = port !== 0 && (await run.serves(port));
    if (!isShared) new net.BoundSocket({ host: address, port }).close();
    // Such that a successor may share it, where the system has that.
    const reusePort = process.platform === "linux";
    const socket = new net.BoundSocket({ host: address, port, reusePort });
    return { socket, port: socket.address().port };
  } catch (error) {
    throw toKnown(error, { host, port });
  }
}

/** Says what is wrong with where a server is to listen; other errors stay as they are. */
export function toKnown(error: unknown, place: Omit<PortOptions, "dataDir">): unknown {
  if (!(error instanceof Error && "code" in error && "syscall" in error)) return error;
  if (error.code === "EADDRINUSE") return portTaken(place);
  return hostUnusable({ ...place, reason: String(error.code) });
}
