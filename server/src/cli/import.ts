import { readFile } from "node:fs/promises";
import type { ImportReport, Mapping } from "@ents-backend/schemas/import";
import { Command, Option } from "commander";
import type { Db } from "../db/connect.ts";
import {
  previewImport,
  runFileImport,
  sizeOf,
  type FileImport,
  type FileProgress,
} from "../ingest/files/file-import.ts";
import { importFormats, type ImportFormat } from "@ents-backend/schemas/import";
import { parseMappingText } from "../ingest/files/mapping.ts";
import { planImport } from "../ingest/files/plan.ts";
import { openStoredFile } from "../ingest/files/source.ts";
import { loadConfig } from "../config.ts";
import { watchRoom } from "../lib/disk.ts";
import { systemClock } from "../lib/clock.ts";
import { defineError } from "../lib/errors.ts";
import { ProgressBar } from "../lib/progress.ts";
import { vwcUnits, type VwcUnit } from "../store/loggers.ts";
import { everything } from "../store/visibility.ts";
import { getCellCalled, getLoggerCalled } from "./called.ts";
import { withDatabaseToFill } from "./database.ts";
import { legacyCommand } from "./import-legacy.ts";
import { describeReport, isVain } from "./import-report.ts";
import { importRocketLoggerCommand } from "./import-rocketlogger.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";

interface ImportOptions {
  readonly cell?: string;
  readonly logger?: string;
  readonly as?: ImportFormat;
  readonly map?: string;
  readonly vwcUnit?: VwcUnit;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const noMap = defineError("not_found", "no_file", "there is no file {path}");

export const importCommand = new Command("import")
  .description("bring in files of measurements")
  .argument("<files...>", "files, or zip files of them")
  .option(
    "--cell <cell>",
    "number or name of the cell that all of it goes to, whatever the files say",
  )
  .option("--logger <logger>", "number or name of the logger that all of it is from")
  .addOption(
    new Option("--as <format>", "what the files are; without it: seen from how they begin").choices(
      importFormats,
    ),
  )
  .option("--map <json>", "what the columns of other tables hold: a file, or JSON itself")
  .addOption(
    new Option("--vwc-unit <unit>", "what VWC is in, where the files don't say").choices(vwcUnits),
  )
  .option("--dry-run", "say what would happen, and store nothing")
  .option("--json", "the report as JSON, for programs")
  .enablePositionalOptions()
  .addHelpText(
    "after",
    `
What it takes: files of a node's SD card, RocketLogger/TEROS-12 files, CSV and Parquet exports of this backend; with a
mapping any table of measurements. docs/importing.md shows each of them.

Importing a file again adds nothing, and an import that was stopped goes on when it is run again. A reading that
differs from one that is stored for its time changes nothing either: it is kept as a conflict, and counted.

Exit status: 0 all went in (rows that are bad are told of, and left out); 1 the import failed, or would fail, or all rows are bad;
130 interrupted.

Examples:
  $ ents-backend import sdcard.zip --dry-run
  $ ents-backend import POWER_VOLTAGE.csv TEROS12_TEMP.csv --cell "Plot 7"
  $ ents-backend import weather.csv --cell 7 --map '{"time": {"column": "Date"}, "values": [{"column": "T", "sensor": "BME280_TEMP"}]}'`,
  )
  .action(run)
  .addCommand(importRocketLoggerCommand)
  .addCommand(legacyCommand);

async function run(paths: readonly string[], options: ImportOptions): Promise<void> {
  const files = await Promise.all(paths.map(openStoredFile));
  const mapping = options.map === undefined ? undefined : await readMapping(options.map);
  const stop = new AbortController();
  const report = await withDatabaseToFill(async ({ db }) => {
    const unlisten = onceSignalled(() => stop.abort());
    try {
      const understanding = { format: options.as, mapping };
      const plan = await planImport(files, understanding, stop.signal);
      return await importPlan(db, { plan, mapping, signal: stop.signal }, options);
    } catch (error) {
      // While the files were only looked at.
      if (error === stop.signal.reason) return undefined;
      throw error;
    } finally {
      unlisten();
    }
  });
  if (!report) {
    console.error("Interrupted: nothing was stored");
    process.exitCode = interrupted;
    return;
  }
  console.log(options.json ? JSON.stringify(report, null, 2) : describeReport(report, options));
  process.exitCode = exitCode(report);
}

async function importPlan(
  db: Db,
  what: Pick<FileImport, "plan" | "mapping" | "signal">,
  { cell, logger, vwcUnit, dryRun }: ImportOptions,
): Promise<ImportReport> {
  const display = openDisplay(sizeOf(what.plan));
  const order = {
    ...what,
    cellId: cell === undefined ? undefined : (await getCellCalled(db, cell)).id,
    loggerId: logger === undefined ? undefined : (await getLoggerCalled(db, logger)).id,
    receivedAt: systemClock(),
    clock: systemClock,
    vwcUnit,
    keepRoom: watchRoom(loadConfig().diskOf),
    importer: everything,
    onProgress: (progress: FileProgress) => display.show(progress),
  };
  try {
    return await (dryRun ? previewImport(db, order) : runFileImport(db, order));
  } finally {
    display.end();
  }
}

async function readMapping(text: string): Promise<Mapping> {
  if (text.trimStart().startsWith("{")) return parseMappingText(text);
  const content = await readFile(text, "utf8").catch(() => {
    throw noMap({ path: text });
  });
  return parseMappingText(content);
}

function exitCode({ finished, cells, ...counts }: ImportReport): number {
  if (!finished) return interrupted;
  if (isVain(counts)) return 1;
  return cells.some(({ problem }) => problem !== null) ? 1 : 0;
}

const labels: Readonly<Record<FileProgress["phase"], string>> = {
  reading: "Reading  ",
  comparing: "Comparing",
  importing: "Importing",
};

/** Each phase goes over the files from their beginning, at its own pace. */
function openDisplay(totalBytes: number) {
  const [output, clock, unit] = [process.stderr, systemClock, "rows"];
  let shown: { readonly phase: FileProgress["phase"]; readonly bar: ProgressBar } | undefined;
  return {
    show({ phase, rows, bytes }: FileProgress): void {
      if (phase !== shown?.phase) {
        shown?.bar.clear();
        const label = labels[phase];
        shown = { phase, bar: new ProgressBar({ output, clock, label, unit, totalBytes }) };
      }
      shown.bar.update({ count: rows, bytes });
    },
    end: (): void => shown?.bar.clear(),
  };
}
