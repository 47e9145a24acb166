import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { findBinaries } from "../../src/db/binaries.ts";
import { prepareCluster, superuser } from "../../src/db/cluster.ts";
import { openLayout, type Layout } from "../../src/db/layout.ts";
import { readLockFile, startServer, stopServer } from "../../src/db/postmaster.ts";
import { chooseLauncher, type Launcher } from "../../src/db/unprivileged.ts";
import { silentLog } from "../support/log.ts";

interface Parts {
  readonly layout: Layout;
  readonly launcher: Launcher;
  readonly postgres: string;
  readonly password: string;
  readonly port: number;
}

/** A PostgreSQL that nobody keeps up: the one that DATABASE_URL names, for a product that is told of it. */
export class ForeignPostgres {
  readonly url: string;
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.url = `postgres://${superuser}:${parts.password}@127.0.0.1:${parts.port}/postgres`;
  }

  static async create(): Promise<ForeignPostgres> {
    const [binaries, layout] = await Promise.all([
      findBinaries(),
      openLayout(await mkdtemp(join(tmpdir(), "ents-foreign-"))),
    ]);
    const launcher = await chooseLauncher({
      ...binaries,
      dataDir: layout.root,
      cluster: layout.cluster,
    });
    const password = await prepareCluster({ layout, launcher, log: silentLog, ...binaries });
    const { postgres } = binaries;
    return new ForeignPostgres({ layout, launcher, postgres, password, port: await findPort() });
  }

  async start(): Promise<void> {
    const { cluster } = this.#parts.layout;
    const { pid } = await startServer({ ...this.#parts, notServer: undefined });
    await expect
      .poll(() => readLockFile(cluster), { timeout: 10_000, interval: 20 })
      .toMatchObject({ pid, status: "ready" });
  }

  async stop(): Promise<void> {
    const { cluster } = this.#parts.layout;
    const lock = await readLockFile(cluster);
    if (lock) await stopServer(lock.pid, { cluster, log: silentLog });
  }

  async discard(): Promise<void> {
    await this.stop();
    await rm(this.#parts.layout.root, { recursive: true, force: true });
  }
}

async function findPort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
