import { Command } from "commander";
import { systemClock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { day_s } from "../lib/duration.ts";
import { defineError } from "../lib/errors.ts";
import { ProgressBar } from "../lib/progress.ts";
import {
  addOptions,
  describeSensors,
  instant,
  ownUrl,
  type CommonOptions,
} from "./simulate/options.ts";
import { instantsBetween, instantsFromNow, runSimulation } from "./simulate/run.ts";
import { headersOf, type Target } from "./simulate/send.ts";
import type { Signal } from "./simulate/signal.ts";
import { Tally } from "./simulate/tally.ts";
import { countUploads, findSensors, makeUploads, type Upload } from "./simulate/uploads.ts";

const tenMinutes_s = 600;

const invertedRange = defineError("invalid", "inverted_range", "--{from} lies after --{to}");

interface BatchOptions extends CommonOptions {
  readonly start?: number;
  readonly end?: number;
  readonly keepAlive: boolean;
}

const batch = addOptions(
  new Command("batch").description("upload the readings of a span of time, as fast as it goes"),
  { interval_s: 60, period_s: day_s },
)
  .option("--start <time>", "the first instant (default: a day before the last)", instant)
  .option("--end <time>", "the last instant (default: now)", instant)
  .option("--no-keep-alive", "a connection for each upload, as nodes make them")
  .action(async (options: BatchOptions) => {
    const { interval, keepAlive } = options;
    const end = options.end ?? Math.floor(systemClock());
    const start = options.start ?? Math.max(0, end - day_s);
    if (start > end) throw invertedRange({ from: "start", to: "end" });
    const simulation = plan(options);
    const uploads = simulation.make(instantsBetween(start, end, interval));
    if (options.dryRun) return print(uploads, options);
    const total = simulation.perInstant * (Math.floor((end - start) / interval) + 1);
    const stop = stopOnSignal();
    await run({ ...options, keepAlive }, [uploads], stop, total);
    // Half of what was asked for is no success; what a shell takes for Ctrl-C.
    if (stop.aborted) process.exitCode = 130;
  });

const stream = addOptions(
  new Command("stream").description("upload readings as they come, until Ctrl-C"),
  { interval_s: 10, period_s: tenMinutes_s },
).action(async (options: CommonOptions) => {
  const { make } = plan(options);
  if (options.dryRun) return print(make([Math.floor(systemClock())]), options);
  const stop = stopOnSignal();
  await run({ ...options, keepAlive: false }, rounds(), stop);

  async function* rounds(): AsyncGenerator<Generator<Upload>> {
    for await (const ts of instantsFromNow(options.interval, stop)) yield make([ts]);
  }
});

export const simulateCommand = new Command("simulate")
  .description("play nodes: upload made-up readings of any sensor, in the bytes that nodes send")
  .addCommand(batch)
  .addCommand(stream)
  .addHelpText("after", () => `\n${examples}\n\n${describeSensors()}`);

const examples = `Examples:
  A reading of power and of soil moisture every 10 s, until Ctrl-C:
    ents-backend simulate stream --cell 1

  Two weeks of hourly readings, of sensors by name:
    ents-backend simulate batch --cell 1 --sensors BME280_TEMP,teros12 --start 2024-01-01 --end 2024-01-15 --interval 3600

  Forty nodes with every sensor there is, over eight connections:
    ents-backend simulate batch --cell 1-40 --logger 1-40 --sensors all --connections 8

  What would go over the wire:
    ents-backend simulate batch --cell 1 --start 2024-01-15 --end 2024-01-15 --dry-run`;

/** What the options ask for. */
function plan({ cell, logger = [1], sensors: names, min, max, seed, ...options }: CommonOptions) {
  if (min !== undefined && max !== undefined && min > max)
    throw invertedRange({ from: "min", to: "max" });
  const signal: Signal = { shape: options.function, period_s: options.period, seed, min, max };
  const nodes = [...new Set(cell)].map((cellId, at) => ({
    cellId,
    loggerId: logger[at % logger.length]!,
  }));
  const sensors = findSensors(names);
  return {
    make: (instants: Iterable<number>) => makeUploads(nodes, sensors, signal, instants),
    perInstant: nodes.length * countUploads(sensors),
  };
}

/** The first signal ends the simulation in an orderly way, a second one at once. */
function stopOnSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());
  return stop.signal;
}

/** Runs a simulation before the user's eyes, up to the summary. */
async function run(
  { url = ownUrl(), ...options }: Omit<Target, "url"> & Pick<CommonOptions, "url">,
  rounds: AsyncIterable<Generator<Upload>> | Iterable<Generator<Upload>>,
  stop: AbortSignal,
  total?: number,
): Promise<void> {
  const tally = new Tally();
  const progress = new ProgressBar({
    output: process.stderr,
    clock: systemClock,
    label: "Uploading",
    unit: "uploads",
    totalBytes: total, // a bar fills up by messages as well as by bytes
  });
  progress.print(
    `Uploading ${total ? `${count(total, "message")} ` : ""}to ${url.href} (Ctrl-C stops)`,
  );
  try {
    await runSimulation({ ...options, url }, rounds, stop, (outcome) => {
      const news = tally.add(outcome);
      if (news !== undefined) progress.print(news);
      progress.update({ count: tally.uploads, bytes: tally.uploads });
    });
  } finally {
    progress.clear();
  }
  console.log(tally.summary());
  if (tally.failed > 0) process.exitCode = 1;
}

/** Prints uploads instead of sending them: where to, and each with what tells it from others, and its bytes. */
function print(uploads: Iterable<Upload>, { url = ownUrl(), key }: CommonOptions): void {
  process.stdout.once("error", () => process.exit()); // as `head` closes it
  console.log(`POST ${url.href}`);
  for (const upload of uploads) {
    const headers = Object.entries(headersOf(upload, key)).map(
      ([name, value]) => `${name}: ${value}`,
    );
    const ts = new Date(upload.ts * 1000).toISOString();
    console.log(
      `\n# cell ${upload.cellId}, logger ${upload.loggerId}, ${ts}, ${count(upload.readings, "reading")}`,
    );
    console.log([...headers, Buffer.from(upload.body).toString("hex")].join("\n"));
  }
}
