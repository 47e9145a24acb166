import { Command, Option } from "commander";
import { vwcUnits } from "../store/loggers.ts";
import { importFiles, type ImportOptions } from "./import-files.ts";

export const importRocketLoggerCommand = new Command("rocketlogger")
  .description("import CSV files of RocketLogger and TEROS-12 measurements into a cell")
  .argument("<files...>", "files of any size, or zip files of them; - reads standard input")
  .requiredOption("--cell <cell>", "number or name of the cell that was measured")
  .requiredOption("--logger <logger>", "number or name of the logger that measured it")
  .addOption(
    new Option(
      "--vwc-unit <unit>",
      "what the VWC column is in; without it: fraction where no value in the file is over 1, else percent",
    ).choices(vwcUnits),
  )
  .option("--dry-run", "say what would happen, and store nothing")
  .option("--json", "the report as JSON, for programs")
  .addHelpText(
    "after",
    `
The first line names the columns: timestamp and any of Voltage (mV), Current (uA), Power (uW), EC (uS/cm),
VWC (%), Temperature (C), in any order; others are ignored. An empty field is no reading, NaN one without a value.

Importing a file again adds nothing, and an import that was stopped goes on when it is run again. A reading that
differs from one that is stored for its time changes nothing either: it is kept as a conflict, and counted.

Exit status: 0 all went in (rows that are bad are told of, with their lines, and left out); 1 the import failed, or all
rows are bad; 130 interrupted.

Example:
  $ ents-backend cell create "Plot 7"
  $ ents-backend logger create rocket1
  $ ents-backend import rocketlogger july.csv --cell "Plot 7" --logger rocket1`,
  )
  .action(async (files: readonly string[], options: ImportOptions) => {
    await importFiles(files, { ...options, as: "rocketlogger" });
  });
