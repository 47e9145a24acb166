import { Command } from "commander";
import { loadConfig } from "../config.ts";
import { portFd } from "../processes/server-process.ts";
import { Parent } from "../processes/parent.ts";
import { openLogger } from "./log.ts";
import { wholeNumber } from "./options.ts";
import { lingerOf } from "./linger.ts";
import { stopSignal } from "./stop-signal.ts";
import { boundYoungGenerationForUploads } from "./young-generation.ts";

export const serveCommand = new Command("serve")
  .description("one of the processes of start, which begins them")
  .argument("<port>", "that they share", wholeNumber(1))
  .action(async (port: number) => {
    boundYoungGenerationForUploads();
    const config = loadConfig();
    const parent = new Parent();
    // Of someone who is gone, another one will be the successor.
    const stopped = Promise.race([stopSignal(), parent.gone()]);
    const { openApp } = await import("../app.ts");
    if ((await Promise.race([parent.turn(), stopped])) !== "turn") process.exit();
    const place = { listen: { fd: portFd }, port, parent };
    const app = await openApp(config, openLogger(config.logLevel), place);
    parent.report(app.metrics);
    await parent.tell({ is: "serving" });
    const example = await Promise.race([app.example, stopped]);
    if (typeof example === "object") await parent.tell({ is: "example", example });
    const signal = await stopped;
    await app.close(lingerOf(signal));
    await parent.leave();
    process.exit();
  });
