import { defineError, KnownError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { toParts, type Device, type Part } from "./device.ts";

/** An application on The Things Stack, and the servers that it is on. */
export interface TtnSettings {
  readonly apiKey: string;
  readonly application: string;
  /** Of the identity server, https://host. */
  readonly identityUrl: string;
  /** Of the network, application and join servers, https://host. */
  readonly clusterUrl: string;
  readonly frequencyPlan: string;
  /** How long one call may take. */
  readonly timeout_ms?: number;
}

/** A device as the network sees it. */
interface NetworkDevice {
  readonly device_id: string;
  readonly last_seen_at: string | null;
}

const deviceTaken = defineError(
  "conflict",
  "ttn_device_taken",
  "The Things Stack has a device with this DevEUI or name already",
);
const refused = defineError(
  "bad_gateway",
  "ttn_refused",
  "The Things Stack's {server} server refused with {status}",
);
const notReached = defineError(
  "bad_gateway",
  "ttn_not_reached",
  "The Things Stack's {server} server did not answer; try again later",
);

/** The servers that know a device, in the order in which they are told of it; they forget it in reverse. */
const servers = ["identity", "network", "application", "join"] as const;
type Server = (typeof servers)[number];
const prefixes: Readonly<Record<Server, string>> = {
  identity: "",
  network: "/ns",
  application: "/as",
  join: "/js",
};

/** Registers devices on The Things Stack, version 3. */
export class TtnClient {
  readonly #settings: TtnSettings;
  readonly #log: Log;

  constructor(settings: TtnSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * Registers a device with all four servers, or with none: what was done before a failure is undone in reverse.
   *
   * @throws KnownError when a server refuses it or doesn't answer
   */
  async register(device: Device): Promise<void> {
    const { clusterUrl, frequencyPlan } = this.#settings;
    const parts = toParts(device, { host: new URL(clusterUrl).hostname, frequencyPlan });
    for (const [at, server] of servers.entries())
      try {
        await this.#put(server, device.id, parts[server]);
      } catch (error) {
        // What a server refused it doesn't have; after anything else it may.
        const done = servers.slice(0, error instanceof Refused ? at : at + 1);
        await this.withdraw(device.id, done);
        throw toKnown(error, server);
      }
  }

  /**
   * Removes a device from all four servers; those that don't know it are content.
   *
   * @throws KnownError when a server can't be brought to it: asked again, it goes on
   */
  async remove(deviceId: string): Promise<void> {
    for (const server of servers.toReversed())
      try {
        await this.#delete(server, deviceId);
      } catch (error) {
        throw toKnown(error, server);
      }
  }

  /** What the network knows of a device, if it knows it. @throws KnownError when it can't be asked */
  async find(deviceId: string): Promise<NetworkDevice | undefined> {
    const paths = "?field_mask.paths=name,last_seen_at";
    try {
      const answer = await this.#call("GET", "identity", `/${deviceId}${paths}`);
      const { last_seen_at = null } = JSON.parse(answer) as { last_seen_at?: string };
      return { device_id: deviceId, last_seen_at };
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw toKnown(error, "identity");
    }
  }

  async #put(server: Server, deviceId: string, part: Part): Promise<void> {
    const isNew = server === "identity";
    await this.#call(isNew ? "POST" : "PUT", server, isNew ? "" : `/${deviceId}`, part);
  }

  async #delete(server: Server, deviceId: string): Promise<void> {
    await this.#call("DELETE", server, `/${deviceId}`).catch((error: unknown) => {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
    });
  }

  /** Undoes a registration, as far as it went and as far as that goes: what stays is logged. */
  async withdraw(deviceId: string, done: readonly Server[] = servers): Promise<void> {
    for (const server of done.toReversed())
      await this.#delete(server, deviceId).catch((error: unknown) =>
        this.#log.error(
          { deviceId, server, reason: toKnown(error, server).message },
          "a device that has no logger stays on The Things Stack: remove it there",
        ),
      );
  }

  /** @throws Refused when the server understood the call and didn't do it; else whatever went wrong on the way */
  async #call(method: string, server: Server, path: string, body?: Part): Promise<string> {
    const { apiKey, application, identityUrl, clusterUrl, timeout_ms = 10_000 } = this.#settings;
    const base = server === "identity" ? identityUrl : clusterUrl;
    const devices = `/api/v3${prefixes[server]}/applications/${encodeURIComponent(application)}/devices`;
    const answer = await fetch(`${base}${devices}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(timeout_ms),
    });
    const text = await answer.text();
    if (answer.ok) return text;
    // A gateway's 5xx says nothing of what became of the call.
    if (answer.status >= 500) throw new Error(`answered ${answer.status}`);
    throw new Refused(answer.status);
  }
}

/** What a server answered that understood the call and didn't do it. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

function toKnown(error: unknown, server: Server): KnownError {
  if (!(error instanceof Refused)) return notReached({ server });
  if (error.status === 409) return deviceTaken();
  return refused({ server, status: error.status });
}
