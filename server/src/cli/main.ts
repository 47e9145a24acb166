import { Command } from "commander";
import { loadEnvFile } from "../config.ts";
import { KnownError } from "../lib/errors.ts";
import { backupCommand } from "./backup.ts";
import { cellCommand } from "./cell.ts";
import { importCommand } from "./import.ts";
import { loggerCommand } from "./logger.ts";
import { migrateCommand } from "./migrate.ts";
import { quarantineCommand } from "./quarantine.ts";
import { restoreCommand } from "./restore.ts";
import { rollupCommand } from "./rollup.ts";
import { serveCommand } from "./serve.ts";
import { simulateCommand } from "./simulate.ts";
import { startCommand } from "./start.ts";
import { userCommand } from "./user.ts";
import { workCommand } from "./work.ts";

loadEnvFile();

const program = new Command("ents-backend")
  .description("An open backend for environmental sensor networks.")
  .addHelpText(
    "after",
    "\nSettings are environment variables, also read from .env; .env.example lists them all.",
  )
  .showHelpAfterError("(--help tells more)")
  // Options belong to the command that they stand behind.
  .enablePositionalOptions()
  .addCommand(startCommand)
  .addCommand(serveCommand, { hidden: true })
  .addCommand(workCommand)
  .addCommand(migrateCommand)
  .addCommand(cellCommand)
  .addCommand(loggerCommand)
  .addCommand(userCommand)
  .addCommand(importCommand)
  .addCommand(quarantineCommand)
  .addCommand(rollupCommand)
  .addCommand(backupCommand)
  .addCommand(restoreCommand)
  .addCommand(simulateCommand);

try {
  await program.parseAsync();
} catch (error) {
  // What its cause may know is one sentence; anything else is ours to mend, and needs its stack.
  console.error(error instanceof KnownError ? `ents-backend: ${error.message}` : error);
  // What is half open would keep the process.
  process.exit(1);
}
