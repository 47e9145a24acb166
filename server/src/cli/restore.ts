import { Command } from "commander";
import { fromStream, openFile, type Source } from "../ingest/files/source.ts";
import { systemClock } from "../lib/clock.ts";
import { defineError } from "../lib/errors.ts";
import { ProgressBar } from "../lib/progress.ts";
import { check, restore, type Restored, type RestoreOrder } from "../store/backup/restore.ts";
import { describeTotals, measured } from "./backup-summary.ts";
import { openLogger } from "./log.ts";
import { untilSignalled, withCommandSession } from "./session.ts";

/** So many rows that their indexes take longer than anyone waits without a word. */
const many = 1_000_000;

const terminal = defineError(
  "invalid",
  "stdin_is_terminal",
  "a backup isn't typed: name a file, or redirect standard input",
);

export const restoreCommand = new Command("restore")
  .description("take a backup back, into an empty database")
  .argument("<file>", "a backup; - reads standard input")
  .option("--check", "only make sure that it is whole; no database is needed")
  .addHelpText(
    "after",
    `
All of it is taken back, or nothing. Nothing else may use the database meanwhile, and it must be empty: a new one, or one
that has nothing but the demo's cell and logger. A backup of an older version is brought to the newest form.

Users log in again afterwards: sessions aren't in a backup. docs/backup.md says how to move to another machine.

Exit status: 0 it is taken back, or whole; 1 it isn't; 130 interrupted.

Examples:
  $ ents-backend restore --check july.backup
  $ ents-backend restore july.backup
  $ ssh archive 'cat july.backup' | ents-backend restore -`,
  )
  .action(run);

async function run(file: string, options: { readonly check?: boolean }): Promise<void> {
  if (file === "-" && process.stdin.isTTY) throw terminal();
  const source = file === "-" ? fromStream(() => process.stdin) : await openFile(file);
  await (options.check ? checkWhole(source) : takeBack(source));
}

async function checkWhole(source: Source): Promise<void> {
  const checked = await untilSignalled("nothing was changed", async (signal) => {
    const { end, ...order } = watch(source, "Checking", signal);
    return await check(order).finally(end);
  });
  if (checked) console.log(`It is whole: ${describe(checked)}.`);
}

async function takeBack(source: Source): Promise<void> {
  const restored = await untilSignalled("nothing was changed", (signal) =>
    withCommandSession(signal, async (session) => {
      const { end, ...order } = watch(source, "Restoring", signal);
      return await restore(session, { ...order, log: openLogger("warn") }).finally(end);
    }),
  );
  if (restored)
    console.log(`Restored ${describe(restored)}. Users log in again: sessions aren't in it.`);
}

function describe({ manifest, totals }: Restored): string {
  const { created_at: time, product } = manifest;
  return `${describeTotals(totals)}, as of ${time}, from ents-backend ${product}`;
}

interface Watched extends Pick<RestoreOrder, "source" | "onProgress"> {
  readonly end: () => void;
}

/** Reads a source, and shows how far that has come, and what comes after it. */
function watch(source: Source, label: string, signal: AbortSignal): Watched {
  const rowBar = openBar(label, "rows", source.size);
  let indexBar: ProgressBar | undefined;
  let [rows, bytes] = [0, 0];
  return {
    source: measured(source.read(signal), (more) => (bytes += more)),
    onProgress(reached) {
      if (reached.phase === "rows") {
        rows = reached.count;
        return rowBar.update({ count: rows, bytes });
      }
      if (!indexBar && rows >= many)
        rowBar.print("The rows are in; their indexes are made now, which takes a while …");
      indexBar ??= openBar("Indexing", "indexes", reached.of);
      indexBar.update({ count: reached.count, bytes: reached.count });
    },
    end() {
      rowBar.clear();
      indexBar?.clear();
    },
  };
}

function openBar(label: string, unit: string, totalBytes: number | undefined): ProgressBar {
  return new ProgressBar({ output: process.stderr, clock: systemClock, label, unit, totalBytes });
}
