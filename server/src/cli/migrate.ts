import { Command } from "commander";
import { withDatabase } from "./database.ts";

export const migrateCommand = new Command("migrate")
  .description("bring the database to the newest form (start does so by itself)")
  .action(async () => {
    await withDatabase(async ({ migrated }) => {
      console.log(
        migrated.length === 0 ? "Nothing to do." : migrated.map((name) => `ran ${name}`).join("\n"),
      );
    });
  });
