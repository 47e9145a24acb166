import type { Command } from "commander";
import { backupCommand } from "./backup.ts";
import { cellCommand } from "./cell.ts";
import { importCommand } from "./import.ts";
import { loggerCommand } from "./logger.ts";
import { migrateCommand } from "./migrate.ts";
import { quarantineCommand } from "./quarantine.ts";
import { restoreCommand } from "./restore.ts";
import { rollupCommand } from "./rollup.ts";
import { simulateCommand } from "./simulate.ts";
import { startCommand } from "./start.ts";
import { userCommand } from "./user.ts";
import { workCommand } from "./work.ts";

/** All that people call, in the order in which `--help` lists them. */
export const commands: readonly Command[] = [
  startCommand,
  workCommand,
  migrateCommand,
  cellCommand,
  loggerCommand,
  userCommand,
  importCommand,
  quarantineCommand,
  rollupCommand,
  backupCommand,
  restoreCommand,
  simulateCommand,
];
