import { loadConfig, type Config } from "../config.ts";
import { withSession, type Session } from "../db/session.ts";
import { defineError, KnownError } from "../lib/errors.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";
import { openCommandLogger } from "./log.ts";

const failed = defineError("unavailable", "command_failed", "{reason}; {outcome}");

/**
 * Runs a command that can be stopped by a signal at any moment.
 *
 * @param outcome what is so when it was stopped, or failed, as a sentence without its beginning and end
 * @returns undefined when it was stopped; that is told, and is the exit status
 * @throws KnownError
 */
export async function untilSignalled<T>(
  outcome: string,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const stop = new AbortController();
  const unlisten = onceSignalled(() => stop.abort());
  try {
    return await run(stop.signal);
  } catch (error) {
    if (stop.signal.aborted) {
      console.error(`Stopped: ${outcome}.`);
      process.exitCode = interrupted;
      return undefined;
    }
    // The database and the system say what they lack better than we could.
    if (error instanceof KnownError || !(error instanceof Error && "code" in error)) throw error;
    throw Object.assign(failed({ reason: error.message, outcome }), { cause: error });
  } finally {
    unlisten();
  }
}

/** Gives a command a connection of its own. */
export async function withCommandSession<T>(
  signal: AbortSignal,
  run: (session: Session, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadConfig();
  return await withSession(
    { ...config, log: openCommandLogger(config) },
    signal,
    async (session) => await run(session, config),
  );
}
