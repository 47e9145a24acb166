import { once } from "node:events";
import { Command } from "commander";
import { openApp, type App } from "../app.ts";
import { loadConfig } from "../config.ts";
import { openLogger } from "./log.ts";

export const startCommand = new Command("start")
  .description("start the API, and the embedded PostgreSQL unless DATABASE_URL is set")
  .action(async () => {
    const config = loadConfig();
    const app = await openApp(config, openLogger(config.logLevel));
    console.log(greet(app, config.host));
    await stopSignal();
    console.log("Stopping …");
    await app.close();
  });

/** Waits for Ctrl-C or a service manager; a second signal ends the process at once. */
async function stopSignal(): Promise<void> {
  await Promise.race(["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => once(process, signal)));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
}

function greet({ url, example }: App, host: string): string {
  const lines = [`ents-backend listens on ${url}`];
  if (["127.0.0.1", "localhost", "::1"].includes(host))
    lines.push("(for this machine only; HOST=0.0.0.0 opens it to the network, and so to nodes)");
  if (example) lines.push("", ...tryIt(url, example));
  return lines.join("\n");
}

function tryIt(url: string, { cellId, loggerId }: NonNullable<App["example"]>): string[] {
  const ts = Math.floor(Date.now() / 1000);
  const reading = {
    type: "power",
    cellId,
    loggerId,
    ts,
    data: { voltage: 0.85, current: 0.00012 },
  };
  return [
    "Upload a reading (0.85 V, 120 µA), and read it back (mV, µA, µW):",
    "",
    `  curl -i ${url}/api/sensor/ -H 'Content-Type: application/json' -d '${JSON.stringify(reading)}'`,
    `  curl '${url}/api/power/${cellId}?resample=none'`,
    "",
  ];
}
