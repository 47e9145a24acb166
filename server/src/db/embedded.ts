import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import { attach, type Attached, type Site } from "./attach.ts";
import { findBinaries } from "./binaries.ts";
import { prepareCluster, superuser } from "./cluster.ts";
import { databaseName, type Holder } from "./holder.ts";
import { openLayout } from "./layout.ts";
import { stopServer } from "./postmaster.ts";
import { chooseLauncher } from "./unprivileged.ts";

/** The PostgreSQL server in our data directory, kept running until it is stopped. */
export interface EmbeddedDatabase {
  readonly url: string;
  /** Stops the server, or leaves it to the other processes that use it still: the last one stops it. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded database, or joins it where another process has started it. From then on it's
 * kept up: when the server goes away it comes back at the same URL.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  return await startPrepared(await prepareEmbedded(options));
}

interface EmbeddedOptions {
  readonly dataDir: string;
  readonly log: Log;
}

/** What comes before its start: there are its files, made where there were none, and a way to run it. */
export async function prepareEmbedded(options: EmbeddedOptions): Promise<Site> {
  const { log } = options;
  const [binaries, layout] = await Promise.all([findBinaries(), openLayout(options.dataDir)]);
  const launcher = await chooseLauncher({
    ...binaries,
    dataDir: layout.root,
    cluster: layout.cluster,
  });
  const password = await prepareCluster({ layout, initdb: binaries.initdb, launcher, log });
  return { layout, launcher, postgres: binaries.postgres, password, log };
}

/**
 * The start itself, which takes long where there is much to recover.
 *
 * @param options.signal ends it
 * @param options.leavesRestart whether another process brings the server back when it goes away
 */
export async function startPrepared(
  site: Site,
  { signal, leavesRestart = false }: { signal?: AbortSignal; leavesRestart?: boolean } = {},
): Promise<EmbeddedDatabase> {
  return new KeptDatabase(site, await attach(site, { ...(signal && { signal }) }), leavesRestart);
}

/** What a statement fails with we are told; repeats do so by design, and the server's log would grow with them. */
const settings = new URLSearchParams({ options: "-c log_min_messages=log" }).toString();

class KeptDatabase implements EmbeddedDatabase {
  readonly url: string;
  readonly #site: Site;
  readonly #port: number;
  readonly #leavesRestart: boolean;
  readonly #stopping = new AbortController();
  readonly #upkeep: Promise<void>;
  #holder: Holder;
  #stopped: Promise<void> | undefined;

  constructor(site: Site, attached: Attached, leavesRestart: boolean) {
    this.#site = site;
    this.#leavesRestart = leavesRestart;
    this.#holder = attached.holder;
    this.#port = attached.holder.port;
    this.url = `postgres://${superuser}:${site.password}@127.0.0.1:${this.#port}/${databaseName}?${settings}`;
    this.#upkeep = this.#keepUp(attached);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Runs until we stop; never rejected, for nobody waits for it before that. */
  async #keepUp(first: Attached): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#site;
    const stopping = new Promise((resolve) =>
      signal.addEventListener("abort", resolve, { once: true }),
    );
    for (let current: Attached | undefined = first; current; current = await this.#bringBack()) {
      this.#holder = current.holder;
      const { pid, port } = current.holder;
      log.info(
        { database: { pid, port } },
        current.started ? "started the database" : "joined the running database",
      );
      await Promise.race([current.holder.ended, stopping]);
      if (signal.aborted) return;
      log.warn({ database: { pid, port } }, "the database server went away: bringing it back");
    }
  }

  /** Tries for as long as we run: without its database this process has nothing else to do. */
  async #bringBack(): Promise<Attached | undefined> {
    const { signal } = this.#stopping;
    for (let pause_ms = 100; !signal.aborted; pause_ms = Math.min(pause_ms * 2, 5_000)) {
      try {
        const joins = this.#leavesRestart;
        return await attach(this.#site, { port: this.#port, joins, signal });
      } catch (error) {
        if (signal.aborted) break;
        this.#site.log.error({ err: error }, "the database server didn't come back: trying again");
      }
      await sleep(pause_ms, undefined, { signal }).catch(() => undefined);
    }
    return undefined;
  }

  async #stop(): Promise<void> {
    const { layout, log } = this.#site;
    this.#stopping.abort();
    await this.#upkeep;
    const holder = this.#holder;
    if (await holder.leave()) {
      await stopServer(holder.pid, { cluster: layout.cluster, log });
      log.info({ database: { pid: holder.pid } }, "stopped the database");
    }
    await holder.close();
  }
}
