import { Command, InvalidArgumentError } from "commander";
import type { Db } from "../db/connect.ts";
import { forecast, moveIn, type MoveInOrder } from "../ingest/legacy/move-in.ts";
import type { MoveInProgress } from "../ingest/legacy/plan.ts";
import { loadConfig } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { watchRoom } from "../lib/disk.ts";
import { ProgressBar } from "../lib/progress.ts";
import { OldDatabase } from "../store/legacy/old-database.ts";
import { vwcRules, type VwcRule } from "../store/legacy/series.ts";
import { commandLine } from "./actor.ts";
import { withDatabaseToFill } from "./database.ts";
import {
  agrees,
  describeForecast,
  describeMove,
  forecastToJson,
  moveToJson,
} from "./import-legacy-summary.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";

interface Options {
  readonly timezone: string;
  readonly vwcUnit: ReadonlyMap<number, VwcRule>;
  readonly trustAccounts: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export const legacyCommand = new Command("legacy")
  .description("move in from the old backend: its users, cells, loggers, tags and readings")
  .argument("<url>", "its database, postgres://user:password@host/name", postgresUrl)
  .option(
    "--timezone <zone>",
    "where its server's clock was, as America/Los_Angeles: times stand there without a zone",
    "UTC",
  )
  .option(
    "--vwc-unit <cell=unit>",
    "what a cell's VWC stands in, where its values tell wrongly: fraction, percent, or each value by itself; may be repeated",
    vwcUnit,
    new Map(),
  )
  .option("--trust-accounts", "accounts here are those of whose address they have", false)
  .option("--dry-run", "say what would come over and what wouldn't, and change nothing", false)
  .option("--json", "the report as JSON, for programs", false)
  .addHelpText(
    "after",
    `
The old database is only read, as of one moment, and its server may go on running. Cells and loggers keep their numbers
and names; if one of them is somebody else's here, all such are told of and nothing comes over. Cells take uploads from
anyone who knows their number, so that their nodes go on. Passwords and API keys stay behind: people log in through
the identity provider, or with a password from \`ents-backend user set-password\`. With whom a cell was shared
becomes its editor.

It can be stopped and run again, and goes on; run later, it brings what came since. What came over before stays as
it is here. A time that a clock shows twice, when it is set back, is taken for the second.

Without the password in the URL it is PGPASSWORD's, or that of ~/.pgpass.

Exit status: 0 every reading there is the same here; 1 one isn't, or something is in the way; 130 interrupted.

Example:
  $ ents-backend import legacy postgres://ents@old.example.org/dirtviz --dry-run`,
  )
  .action(run);

async function run(url: string, options: Options): Promise<void> {
  const stop = new AbortController();
  const unlisten = onceSignalled(() => stop.abort());
  const display = new Display();
  const order: MoveInOrder = {
    trusted: options.trustAccounts,
    vwcRules: options.vwcUnit,
    signal: stop.signal,
    onProgress: (progress) => display.show(progress),
  };
  try {
    const old = await OldDatabase.open(url, options.timezone);
    // It may be sorting for minutes: nobody waits for that any more.
    stop.signal.addEventListener("abort", () => void old.close());
    try {
      await withDatabaseToFill(async ({ db }) => await report(db, old, order, options, display));
    } finally {
      await old.close();
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exitCode = interrupted;
  } finally {
    display.clear();
    unlisten();
  }
}

async function report(
  db: Db,
  old: OldDatabase,
  order: MoveInOrder,
  { dryRun, json }: Options,
  display: Display,
): Promise<void> {
  if (dryRun) {
    const expected = await forecast({ db, old }, order);
    display.clear();
    if (expected.collisions.length > 0) process.exitCode = 1;
    return console.log(json ? forecastToJson(expected) : describeForecast(expected));
  }
  const keepRoom = watchRoom(loadConfig().diskOf);
  const moved = await moveIn({ db, old, keepRoom, clock: systemClock, actor: commandLine }, order);
  display.clear();
  console.log(json ? moveToJson(moved) : describeMove(moved));
  process.exitCode = !moved.finished ? interrupted : agrees(moved) ? 0 : 1;
}

const labels = {
  counting: { label: "Counting", unit: "cells" },
  moving: { label: "Moving in", unit: "readings" },
} as const;

/** Each phase has a bar of its own. */
class Display {
  #shown: { phase: MoveInProgress["phase"]; bar: ProgressBar } | undefined;

  show({ phase, done, total }: MoveInProgress): void {
    if (this.#shown?.phase !== phase) {
      this.clear();
      const output = process.stderr;
      const bar = new ProgressBar({
        output,
        clock: systemClock,
        ...labels[phase],
        totalBytes: total,
      });
      this.#shown = { phase, bar };
    }
    // The part that is done is that of the counted things.
    this.#shown.bar.update({ count: done, bytes: done });
  }

  clear(): void {
    this.#shown?.bar.clear();
  }
}

function postgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("postgres://user:password@host/name.");
  return text;
}

function vwcUnit(text: string, before: ReadonlyMap<number, VwcRule>): Map<number, VwcRule> {
  const [, cell, unit] = /^(\d{1,10})=(.*)$/.exec(text) ?? [];
  const rule = vwcRules.find((one) => one === unit);
  if (!rule)
    throw new InvalidArgumentError(`a cell's number and one of ${vwcRules.join(", ")}: 3=percent.`);
  return new Map([...before, [Number(cell), rule]]);
}
