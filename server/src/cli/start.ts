import { Command } from "commander";
import type { Logger } from "pino";
import type { App } from "../app.ts";
import { loadConfig, type Config } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { deadline } from "../lib/deadline.ts";
import { canBindAlone, bindPort } from "../processes/bound-port.ts";
import type { Example } from "../store/demo.ts";
import { WorkerProcess } from "../tasks/worker-process.ts";
import { lingerOf } from "./linger.ts";
import { openLogger } from "./log.ts";
import { mayReload, startMany } from "./start-many.ts";
import { stopSignal, type StopSignal } from "./stop-signal.ts";
import { boundYoungGenerationForUploads } from "./young-generation.ts";

/** A server that is begun, as one process or as several. */
export interface Running {
  /** Rejected when it doesn't come up. */
  readonly started: Promise<Started>;
  /** Rejected when it can't go on. */
  readonly failed?: Promise<never>;
  /** Ends it, or its start. */
  stop(signal: StopSignal): Promise<void>;
}

/** Where a server listens, and what to try there. */
export interface Started {
  readonly port: number;
  readonly example: Promise<Example | undefined>;
}

/** Hosts that stand for all of a machine's addresses. */
const everywhere = ["0.0.0.0", "::"];

/** How long a start that is to end is waited for, so that it is closed in order. */
const longestStart_ms = 15_000;

export const startCommand = new Command("start")
  .description("start the API, and the embedded PostgreSQL unless DATABASE_URL is set")
  .action(async () => {
    boundYoungGenerationForUploads();
    const config = loadConfig();
    const log = openLogger(config.logLevel);
    const isMany = config.processes > 1 && canBindAlone;
    // Listened for from the start, which it ends too.
    const stopped = stopSignal(isMany && mayReload() ? ["SIGINT", "SIGTERM"] : undefined);
    const server = await (isMany ? startMany : startAlone)(config, log);
    const over = Promise.race([stopped, ...(server.failed ? [server.failed] : [])]);
    const started = await Promise.race([server.started, over]);
    if (typeof started === "object") await present(started, config, over);
    const signal = await over;
    console.log("Stopping …");
    await server.stop(signal);
    // A connection to a database that hangs would keep the process.
    process.exit();
  });

/** Says where it listens, and what to try there once that is known. */
async function present(
  { port, example }: Started,
  config: Config,
  over: Promise<StopSignal>,
): Promise<void> {
  const { host } = config;
  console.log(greet(port, host));
  const known = await Promise.race([example, over]);
  if (typeof known !== "object") return;
  // In a container it is reached by another port than its own.
  const isPublic = everywhere.includes(host) && port === config.port;
  console.log(tryIt(isPublic ? config.publicUrl : urlOf(host, port), known));
}

/** One process that does all but the tasks. */
async function startAlone(config: Config, log: Logger): Promise<Running> {
  const worker = new WorkerProcess(log);
  const started = openAlone(config, log, worker);
  return {
    started,
    stop: async (signal) => {
      const app = await deadline(longestStart_ms, started).catch(() => undefined);
      await Promise.all([worker.stop(), app?.close(lingerOf(signal))]);
    },
  };
}

async function openAlone(config: Config, log: Logger, worker: WorkerProcess): Promise<App> {
  const bound = canBindAlone ? await bindPort(config) : undefined;
  // The other commands would wait for all of it to be loaded.
  const { openApp } = await import("../app.ts");
  const place = bound ? { listen: { handle: bound.socket }, port: bound.port } : { listen: config };
  const app = await openApp(config, log, place);
  if (config.worker) worker.start();
  return app;
}

function greet(port: number, host: string): string {
  const lines = [`ents-backend listens on ${urlOf(host, port)}`];
  if (["127.0.0.1", "localhost", "::1"].includes(host))
    lines.push("(for this machine only; HOST=0.0.0.0 opens it to the network, and so to nodes)");
  return lines.join("\n");
}

function urlOf(host: string, port: number): string {
  if (["127.0.0.1", ...everywhere].includes(host)) return `http://localhost:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function tryIt(url: string, { cellId, loggerId }: Example): string {
  const ts = Math.floor(systemClock());
  const reading = {
    type: "power",
    cellId,
    loggerId,
    ts,
    data: { voltage: 0.85, current: 0.00012 },
  };
  return [
    "",
    "Upload a reading (0.85 V, 120 µA), and read it back (mV, µA, µW):",
    "",
    `  curl -i ${url}/api/sensor/ -H 'Content-Type: application/json' -d '${JSON.stringify(reading)}'`,
    `  curl '${url}/api/power/${cellId}?resample=none'`,
    "",
  ].join("\n");
}
