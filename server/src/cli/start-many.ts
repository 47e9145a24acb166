import type { Logger } from "pino";
import { currentEnvironment, givenEnvironment, loadConfig, type Config } from "../config.ts";
import { KnownError } from "../lib/errors.ts";
import { Turns } from "../lib/turns.ts";
import { bindPort } from "../processes/bound-port.ts";
import { Servers } from "../processes/servers.ts";
import { WorkerProcess } from "../tasks/worker-process.ts";
import type { Running } from "./start.ts";

/** Whether SIGHUP asks for new processes: of a terminal it says that that is gone. */
export function mayReload(): boolean {
  return !process.stdin.isTTY && !process.stdout.isTTY;
}

/** A server of several processes, which are begun, watched and replaced by this one; it does nothing else. */
export async function startMany(config: Config, log: Logger): Promise<Running> {
  const { socket, port } = await bindPort(config);
  const servers = new Servers({ log, env: givenEnvironment, fd: socket.fd(), port });
  const turns = new Turns();
  let worker: WorkerProcess | undefined;
  let isStopping = false;
  const beginWorker = ({ worker: isWanted }: Config): void => {
    worker = new WorkerProcess(log, givenEnvironment);
    if (isWanted) worker.start();
  };
  const reload = async (): Promise<void> => {
    const settings = isStopping ? undefined : readSettings();
    if (!settings) return;
    console.log("Reloading …");
    const isReplaced = await servers.replace(settings.processes);
    if (isStopping) return;
    if (!isReplaced) return console.error("Not reloaded: the new processes don't start");
    await worker?.stop();
    if (isStopping) return;
    beginWorker(settings);
    console.log(`Reloaded: ${settings.processes} new processes`);
  };
  const started = turns.take("", async () => {
    await servers.start(config.processes);
    if (!isStopping) beginWorker(config);
  });
  // Beforehand: what asks for a reload during the start would end it.
  if (mayReload()) process.on("SIGHUP", () => void turns.take("", reload));
  return {
    started: started.then(() => ({ port, example: servers.example })),
    failed: servers.failed,
    stop: async (signal) => {
      isStopping = true;
      // A successor at the same port has a queue of its own: what comes to ours is theirs who still serve.
      socket.close();
      await Promise.all([worker?.stop(), servers.stop(signal === "SIGINT" ? "SIGINT" : "SIGTERM")]);
      // What a reload has begun, or is just ending.
      await turns.take("", async () => {});
    },
  };
}

/** The settings as they are by now. Undefined: they are wrong, and that is told. */
function readSettings(): Config | undefined {
  try {
    return loadConfig(currentEnvironment());
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    console.error(`Not reloaded: ${error.message}`);
    return undefined;
  }
}
