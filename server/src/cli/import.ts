import { importFormats } from "@ents-backend/schemas/import";
import { Command, Option } from "commander";
import { vwcUnits } from "../store/loggers.ts";
import { importFiles } from "./import-files.ts";
import { legacyCommand } from "./import-legacy.ts";
import { importRocketLoggerCommand } from "./import-rocketlogger.ts";

export const importCommand = new Command("import")
  .description("bring in files of measurements")
  .argument("<files...>", "files, or zip files of them; - reads standard input")
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
  .action(importFiles)
  .addCommand(importRocketLoggerCommand)
  .addCommand(legacyCommand);
