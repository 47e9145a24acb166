import type { IncomingMessage, Server as HttpServer } from "node:http";
import proxyAddr from "@fastify/proxy-addr";
import type { AuthDeps } from "../auth/authenticate.ts";
import type { Metrics } from "../metrics.ts";
import type { Clock } from "../lib/clock.ts";
import { every, type Repetition } from "../lib/every.ts";
import type { Log } from "../lib/log.ts";
import type { Others } from "../lib/others.ts";
import type { LogPosition } from "../timeseries/arrivals.ts";
import { cellNotFound } from "../store/cells.ts";
import { Admission, type Shown } from "./admission.ts";
import { Audience } from "./audience.ts";
import { Elsewhere, type Neighbours } from "./elsewhere.ts";
import { Seats } from "./seats.ts";
import { Sockets } from "./sockets.ts";
import { Streams, type EventStream } from "./streams.ts";
import { TaskWatch } from "./task-watch.ts";

interface LiveDeps extends AuthDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: LiveSettings;
  /** Undefined: nobody shares this process's port. */
  readonly neighbours?: Neighbours | undefined;
  /** Undefined: there are no other processes of this server. */
  readonly others?: Others | undefined;
}

export interface LiveSettings {
  /** As the world sees us. */
  readonly publicUrl: string;
  /** Pages of other places that may listen with credentials. */
  readonly corsOrigins: readonly string[];
  /** Addresses of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: string | false;
  /** Live connections that one address has at most. */
  readonly livePerAddress: number;
}

/** How soon a listener that may no longer read a cell stops hearing of it. */
const review_ms = 30_000;
const farewell = {
  name: "server_closing",
  data: { message: "the server restarts: connect again, with your last cursor" },
};

/** The live channel: what is stored is told to everyone who listens, by Socket.IO and by Server-Sent Events; tasks by Socket.IO. */
export class Live {
  readonly #seats: Seats;
  readonly #streams = new Streams();
  readonly #sockets: Sockets;
  readonly #audience: Audience;
  readonly #admission: Admission;
  readonly #tasks: TaskWatch;
  readonly #log: Log;
  readonly #elsewhere: Elsewhere | undefined;
  #reviews: Repetition | undefined;

  constructor({ settings, ...deps }: LiveDeps) {
    this.#log = deps.log;
    this.#elsewhere = deps.neighbours && new Elsewhere(deps.neighbours);
    this.#seats = new Seats(settings.livePerAddress, deps.others);
    this.#audience = new Audience(deps);
    this.#admission = new Admission({ ...deps, audience: this.#audience });
    this.#tasks = new TaskWatch({ ...deps, admission: this.#admission });
    this.#sockets = new Sockets({
      admission: this.#admission,
      tasks: this.#tasks,
      seats: this.#seats,
      log: deps.log,
      elsewhere: this.#elsewhere,
      origins: [new URL(settings.publicUrl).origin, ...settings.corsOrigins],
      addressOf: addressReader(settings.trustProxy),
    });
    deps.metrics.beforeReading(() => deps.metrics.liveConnections.set(this.#seats.taken));
  }

  /** Takes the requests of a server that are for Socket.IO. */
  attach(server: HttpServer): void {
    this.#sockets.attach(server);
  }

  async start(): Promise<void> {
    await this.#sockets.open();
    this.#audience.start();
    this.#tasks.start();
    this.#streams.start();
    this.#reviews ??= every(
      review_ms,
      () => this.#review(),
      (error) => this.#log.warn({ err: error }, "who may listen can't be looked at for now"),
    );
  }

  /** Tells everyone who listens that it ends; they come again, to whoever is there then. */
  async close(): Promise<void> {
    this.#sockets.close(farewell);
    await this.#streams.close(farewell);
    await this.#elsewhere?.close();
    await this.#reviews?.stop();
    await this.#tasks.stop();
    await this.#audience.stop();
  }

  async #review(): Promise<void> {
    await this.#admission.review();
    await this.#tasks.review();
  }

  /**
   * Opens a stream of Server-Sent Events.
   *
   * @param after from where on; undefined: from now on
   * @throws KnownError when none of the cells can be read, there are too many of them or too many connections, or the log
   *   doesn't reach back as far
   */
  async openStream({ shown, address, cellIds, after }: StreamOrder): Promise<EventStream> {
    const free = this.#seats.take(address);
    const stream = this.#streams.open(shown, () => {
      free();
      this.#admission.drop(stream);
    });
    try {
      const subscribed = await this.#admission.follow(stream, cellIds, after);
      if (subscribed.cellIds.length === 0) throw cellNotFound();
      stream.begin(subscribed);
    } catch (error) {
      stream.body.destroy();
      throw error;
    }
    return stream;
  }
}

/** What someone who listens by Server-Sent Events wants. */
interface StreamOrder {
  readonly shown: Shown;
  readonly address: string;
  readonly cellIds: readonly number[];
  readonly after: LogPosition | undefined;
}

/** Finds out whose request one is, as the rest of the API does. */
function addressReader(trustProxy: string | false): (request: IncomingMessage) => string {
  const trust =
    trustProxy === false
      ? () => false
      : proxyAddr.compile(trustProxy.split(",").map((one) => one.trim()));
  return (request) => proxyAddr(request, trust);
}
