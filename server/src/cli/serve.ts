import { Command } from "commander";
import { loadConfig } from "../config.ts";
import { doorFd } from "../processes/server-process.ts";
import { Superior } from "../processes/superior.ts";
import { openLogger } from "./log.ts";
import { wholeNumber } from "./options.ts";
import { lingerOf } from "./linger.ts";
import { stopSignal } from "./stop-signal.ts";
import { boundYoungGeneration } from "./young-generation.ts";

export const serveCommand = new Command("serve")
  .description("one of the processes of start, which begins them")
  .argument("<port>", "that they share", wholeNumber(1))
  .action(async (port: number) => {
    boundYoungGeneration();
    const config = loadConfig();
    const superior = new Superior();
    // Of someone who is gone, another one will be the successor.
    const stopped = Promise.race([stopSignal(), superior.gone()]);
    const { openApp } = await import("../app.ts");
    const place = { listen: { fd: doorFd }, port, superior };
    const app = await openApp(config, openLogger(config.logLevel), place);
    superior.report(app.metrics);
    await superior.tell({ is: "serving" });
    const example = await Promise.race([app.example, stopped]);
    if (typeof example === "object") await superior.tell({ is: "example", example });
    const signal = await stopped;
    await app.close(lingerOf(signal));
    await superior.leave();
    process.exit();
  });
