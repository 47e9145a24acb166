import { Command } from "commander";
import { loadEnvFile } from "../config.ts";
import { KnownError } from "../lib/errors.ts";

/** They run for months: what the others need isn't to be in their memory all that time. */
const lasting = new Map<string | undefined, () => Promise<Command>>([
  ["start", async () => (await import("./start.ts")).startCommand],
  ["serve", async () => (await import("./serve.ts")).serveCommand],
  ["work", async () => (await import("./work.ts")).workCommand],
]);

loadEnvFile();

const program = new Command("ents-backend")
  .description("An open backend for environmental sensor networks.")
  .addHelpText(
    "after",
    "\nSettings are environment variables, also read from .env; .env.example lists them all.",
  )
  .showHelpAfterError("(--help tells more)")
  // Options belong to the command that they stand behind.
  .enablePositionalOptions();

const one = lasting.get(process.argv[2]);
const commands = one ? [await one()] : (await import("./commands.ts")).commands;
for (const command of commands) program.addCommand(command);

try {
  await program.parseAsync();
} catch (error) {
  // What its cause may know is one sentence; anything else is ours to mend, and needs its stack.
  console.error(error instanceof KnownError ? `ents-backend: ${error.message}` : error);
  // What is half open would keep the process.
  process.exit(1);
}
