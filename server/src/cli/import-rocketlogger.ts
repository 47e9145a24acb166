import { Command, Option } from "commander";
import type { Db } from "../db/connect.ts";
import {
  importRocketLogger,
  type ImportOrder,
  type ImportProgress,
  type ImportSummary,
} from "../ingest/files/rocketlogger-import.ts";
import { fromStream, openFile, type Source } from "../ingest/files/source.ts";
import { loadConfig } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { watchRoom } from "../lib/disk.ts";
import { defineError } from "../lib/errors.ts";
import { ProgressBar } from "../lib/progress.ts";
import { vwcUnits, type VwcUnit } from "../store/loggers.ts";
import { getCellCalled, getLoggerCalled } from "./called.ts";
import { withDatabaseToFill } from "./database.ts";
import { describeImport, importToJson, type Imported } from "./import-summary.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";

interface ImportOptions {
  readonly cell: string;
  readonly logger: string;
  readonly vwcUnit?: VwcUnit;
  readonly json?: boolean;
}

const mostBadRowsShown = 20;

const pipeNeedsUnit = defineError(
  "invalid",
  "vwc_unit_needed",
  "{file} can be read only once, so its VWC's unit can't be seen from its values first: say --vwc-unit fraction or --vwc-unit percent",
);

export const importRocketLoggerCommand = new Command("rocketlogger")
  .description("import a CSV file of RocketLogger and TEROS-12 measurements into a cell")
  .argument("<file>", "the file, of any size; - reads standard input")
  .requiredOption("--cell <cell>", "number or name of the cell that was measured")
  .requiredOption("--logger <logger>", "number or name of the logger that measured it")
  .addOption(
    new Option(
      "--vwc-unit <unit>",
      "what the VWC column is in; without it: fraction where no value in the file is over 1, else percent",
    ).choices(vwcUnits),
  )
  .option("--json", "the summary as JSON, for programs")
  .addHelpText(
    "after",
    `
The first line names the columns: timestamp and any of Voltage (mV), Current (uA), Power (uW), EC (uS/cm),
VWC (%), Temperature (C), in any order; others are ignored. An empty field is no reading, NaN one without a value.

Importing a file again adds nothing, and an import that was stopped goes on when it is run again. A reading that
differs from one that is stored for its time changes nothing either: it is kept as a conflict, and counted.

Exit status: 0 the file went in (rows that are bad are told of, with their lines, and left out); 1 the import
failed; 130 interrupted.

Example:
  $ ents-backend cell create "Plot 7"
  $ ents-backend logger create rocket1
  $ ents-backend import rocketlogger july.csv --cell "Plot 7" --logger rocket1`,
  )
  .action(run);

async function run(file: string, options: ImportOptions): Promise<void> {
  const source = file === "-" ? fromStream(() => process.stdin) : await openFile(file);
  if (source.size === undefined && !options.vwcUnit)
    throw pipeNeedsUnit({ file: file === "-" ? "standard input" : file });
  const imported = await withDatabaseToFill(async ({ db }) => {
    const [cell, logger] = await Promise.all([
      getCellCalled(db, options.cell),
      getLoggerCalled(db, options.logger),
    ]);
    const place = { cell, logger };
    return { file, ...place, summary: await runImport(db, source, options, place) };
  });
  console.log(options.json ? importToJson(imported) : describeImport(imported));
  process.exitCode = imported.summary.finished ? 0 : interrupted;
}

async function runImport(
  db: Db,
  source: Source,
  { vwcUnit }: ImportOptions,
  { cell, logger }: Pick<Imported, "cell" | "logger">,
): Promise<ImportSummary> {
  const stop = new AbortController();
  const unlisten = onceSignalled(() => stop.abort());
  const display = openDisplay(source.size);
  try {
    return await importRocketLogger(
      { db, clock: systemClock },
      {
        source,
        cellId: cell.id,
        loggerId: logger.id,
        vwcUnit,
        keepRoom: watchRoom(loadConfig().diskOf),
        signal: stop.signal,
        ...display,
      },
    );
  } finally {
    display.end();
    unlisten();
  }
}

interface Display extends Pick<ImportOrder, "onProgress" | "onBadRow"> {
  end(): void;
}

function openDisplay(totalBytes: number | undefined): Display {
  let shown: { phase?: ImportProgress["phase"]; bar: ProgressBar } = {
    bar: openBar("importing", totalBytes),
  };
  let badRows = 0;
  return {
    onProgress({ phase, rows, bytes }) {
      if (phase !== shown.phase) {
        shown.bar.clear();
        shown = { phase, bar: openBar(phase, totalBytes) };
      }
      shown.bar.update({ count: rows, bytes });
    },
    onBadRow({ line, reason }) {
      if (++badRows <= mostBadRowsShown) shown.bar.print(`line ${line}: ${reason}`);
    },
    end() {
      shown.bar.clear();
      if (badRows > mostBadRowsShown)
        console.error(`… and ${badRows - mostBadRowsShown} more bad rows`);
    },
  };
}

/** Each phase reads the file from its beginning, at its own pace. */
function openBar(phase: ImportProgress["phase"], totalBytes: number | undefined): ProgressBar {
  const label = phase === "checking" ? "Checking " : "Importing";
  return new ProgressBar({
    output: process.stderr,
    clock: systemClock,
    label,
    unit: "rows",
    totalBytes,
  });
}
