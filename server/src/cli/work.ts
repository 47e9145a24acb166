import { hostname } from "node:os";
import { Command } from "commander";
import { loadConfig } from "../config.ts";
import { awaitDatabase } from "../db/open.ts";
import { systemClock } from "../lib/clock.ts";
import { openLogger } from "./log.ts";
import { wholeNumber } from "./options.ts";
import { giveWayToOthers } from "./priority.ts";
import { stopSignal } from "./stop-signal.ts";
import { killWhenStuck } from "./watchdog.ts";
import { boundYoungGeneration } from "./young-generation.ts";

/** Each holds a connection to read by, and needs another one to keep what it makes. */
const mostAtOnce = 8;

export const workCommand = new Command("work")
  .description("do tasks (exports, imports) in a process of its own; start begins one by itself")
  .option("--at-once <number>", "how many at the same time", wholeNumber(1, mostAtOnce), 2)
  .action(async ({ atOnce }: { atOnce: number }) => {
    boundYoungGeneration();
    killWhenStuck();
    const config = loadConfig();
    const log = openLogger(config.logLevel);
    const stopped = Promise.race([stopSignal(), abandoned()]);
    // As in `start` too: the other commands would wait for them to be loaded.
    const [{ openBell }, { openKinds }, { Worker }] = await Promise.all([
      import("../tasks/bells.ts"),
      import("../tasks/kinds.ts"),
      import("../tasks/worker.ts"),
    ]);
    // Its connections are its own: it is none of the processes that share a server's.
    const database = await awaitDatabase({
      ...config,
      processes: 1,
      // A server that this one started would have its low priority.
      leavesRestart: process.connected,
      log,
      meanwhile: "tasks wait",
    });
    const worker = new Worker({
      db: database.db,
      bell: openBell(database, { ...config, log }),
      kinds: openKinds({ ...database, clock: systemClock }),
      log,
      name: `${hostname()} ${process.pid}`,
      atOnce,
      diskOf: config.diskOf,
    });
    worker.start();
    if (process.connected) await giveWayToOthers();
    console.log(`ents-backend does tasks, ${atOnce} at a time`);
    const why = await stopped;
    console.log("Stopping …");
    await worker.stop();
    // After a crash of who began this the database goes on, for who comes next.
    if (why !== "abandoned") await database.close();
    process.exit();
  });

/** Waits for the end of the process that began this one, where it is to end with that. */
function abandoned(): Promise<"abandoned"> {
  return new Promise((resolve) => {
    process.once("disconnect", () => resolve("abandoned"));
    process.channel?.unref();
  });
}
