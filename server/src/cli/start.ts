import { setFlagsFromString } from "node:v8";
import { Command } from "commander";
import type { App } from "../app.ts";
import { loadConfig } from "../config.ts";
import type { Example } from "../store/demo.ts";
import { openLogger } from "./log.ts";
import { stopSignal } from "./stop-signal.ts";

export const startCommand = new Command("start")
  .description("start the API, and the embedded PostgreSQL unless DATABASE_URL is set")
  .action(async () => {
    // What loading needed is plenty for young objects; left to itself, V8 takes some 100 MB for them in a long answer.
    setFlagsFromString("--semi-space-growth-factor=1");
    // Uploads wait for their commit: V8 takes what is young then for something that lasts.
    setFlagsFromString("--no-allocation-site-pretenuring");
    const config = loadConfig();
    // Listened for from the start: what is half open by then is closed in order too.
    const stopped = stopSignal();
    // The other commands would wait for all of it to be loaded.
    const { openApp } = await import("../app.ts");
    const app = await openApp(config, openLogger(config.logLevel));
    console.log(greet(app, config.host));
    const example = await Promise.race([app.example, stopped]);
    if (example) console.log(tryIt(app.url, example));
    await stopped;
    console.log("Stopping …");
    await app.close();
    // A connection to a database that hangs would keep the process.
    process.exit();
  });

function greet({ url }: App, host: string): string {
  const lines = [`ents-backend listens on ${url}`];
  if (["127.0.0.1", "localhost", "::1"].includes(host))
    lines.push("(for this machine only; HOST=0.0.0.0 opens it to the network, and so to nodes)");
  return lines.join("\n");
}

function tryIt(url: string, { cellId, loggerId }: Example): string {
  const ts = Math.floor(Date.now() / 1000);
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
