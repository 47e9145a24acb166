import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { loadConfig } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { leaveRoom, onDiskOf } from "../lib/disk.ts";
import { defineError } from "../lib/errors.ts";
import { JournalDirectory } from "../lib/journal-directory.ts";
import { version } from "../lib/version.ts";
import { writeWhole } from "../lib/whole-file.ts";
import { backUp, type BackedUp } from "../store/backup/back-up.ts";
import { describeSize, describeTotals, measured, openRowBar } from "./backup-summary.ts";
import { untilSignalled, withCommandSession } from "./session.ts";
import { boundYoungGeneration } from "./young-generation.ts";

interface Options {
  readonly force?: boolean;
}

const terminal = defineError(
  "invalid",
  "stdout_is_terminal",
  "a backup isn't for a terminal: name a file, or redirect standard output",
);

export const backupCommand = new Command("backup")
  .description("write all of the database to a file, as of one moment, also while the server runs")
  .argument("<file>", "where to; - writes to standard output")
  .option("--force", "replace the file if it is there")
  .addHelpText(
    "after",
    `
The file comes to its name when it is whole and on the disk. It is for its owner alone: it has e-mail addresses and
hashes of passwords and keys in it. Sessions, tasks and their results aren't in it; nor are uploads in the journal, which
wait for the database, and settings and secrets. docs/backup.md says how to move to another machine.

Exit status: 0 it is written; 1 it isn't; 130 interrupted.

Examples:
  $ ents-backend backup july.backup
  $ ents-backend backup july.backup && scp july.backup archive:`,
  )
  .action(run);

async function run(file: string, { force = false }: Options): Promise<void> {
  boundYoungGeneration();
  if (file === "-" && process.stdout.isTTY) throw terminal();
  const written = await untilSignalled("there is no backup", (signal) =>
    withCommandSession(signal, async (session, { dataDir }) => {
      let done: BackedUp = { totals: {}, others: [] };
      let bytes = 0;
      const bar = openRowBar("Backing up");
      const backup = backUp(session, {
        clock: systemClock,
        product: version,
        onProgress: bar.update,
        onEnd: (all) => (done = all),
      });
      const chunks = measured(backup, (more) => (bytes += more));
      try {
        if (file === "-") await pipeline(chunks, process.stdout, { end: false });
        else await writeWhole(file, await leavingRoom(chunks, file), { replace: force });
      } finally {
        bar.clear();
      }
      return { ...done, bytes, dataDir };
    }),
  );
  if (!written) return;
  const tell = file === "-" ? console.error : console.log;
  tell(`Backed up ${describeTotals(written.totals)}, in ${describeSize(written.bytes)}.`);
  if (written.others.length > 0)
    console.error(`Not in it: tables that aren't ours, ${written.others.join(", ")}.`);
  await noteJournal(written.dataDir);
}

/** What arrives meanwhile needs the disk that the database is on, where the file is to be on it too. */
async function leavingRoom(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
): Promise<AsyncIterable<Uint8Array>> {
  const directory = dirname(file);
  const { diskOf } = loadConfig();
  const shared = await onDiskOf(directory, diskOf).catch(() => undefined);
  return leaveRoom(chunks, shared);
}

/** What the database doesn't have yet, its backup hasn't either. */
async function noteJournal(dataDir: string): Promise<void> {
  const path = join(dataDir, "journal");
  if (!existsSync(path)) return;
  const journal = await JournalDirectory.open(path, systemClock);
  await journal.scan();
  const { records } = journal.depth();
  if (records > 0)
    console.error(`Not in it: ${count(records, "upload")} still to be stored, in ${path}.`);
}
