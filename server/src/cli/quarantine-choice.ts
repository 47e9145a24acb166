import type { Command } from "commander";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { listQuarantinedIds, type QuarantineFilter } from "../store/quarantine-list.ts";
import { everything } from "../store/visibility.ts";
import { instant } from "./options.ts";

/** Which uploads a command is for: those of some numbers, those that a filter lets through, or all. */
export interface Choice extends QuarantineFilter {
  readonly all?: boolean;
}

const noChoice = defineError(
  "invalid",
  "no_uploads_chosen",
  "say which uploads: their numbers, --code, --cell, --since or --all",
);
const twoChoices = defineError(
  "invalid",
  "two_choices",
  "numbers of uploads and filters don't go together",
);

const batch_rows = 10_000;

/** Gives a command the options of a filter. */
export function withFilter(command: Command): Command {
  return command
    .option("--code <code>", "those alone that were refused for this, as unknown_cell")
    .option("--cell <cell>", "those alone for a cell's number or name; it need not exist")
    .option("--since <time>", "those alone that came then or later", instant);
}

/** @throws KnownError unless it says which uploads it is for, in one way */
export function requireChoice(ids: readonly number[], { all, code, cell, since }: Choice): void {
  const filtered = [code, cell, since].some((value) => value !== undefined);
  if (ids.length === 0 && !filtered && !all) throw noChoice();
  if (ids.length > 0 && (filtered || all)) throw twoChoices();
}

/** The numbers of the uploads that are there at this moment, the oldest first. */
export async function listChosen(
  db: Db,
  ids: readonly number[],
  filter: Choice,
): Promise<number[]> {
  if (ids.length > 0) return [...new Set(ids)].sort((a, b) => a - b);
  const chosen: number[] = [];
  while (true) {
    const range = { after: chosen.at(-1), limit: batch_rows };
    const batch = await listQuarantinedIds(db, everything, filter, range);
    for (const id of batch) chosen.push(id);
    if (batch.length < batch_rows) return chosen;
  }
}

/** Reads the numbers of uploads, one after the other. */
export function collectIds(read: (text: string) => number) {
  return (text: string, before: readonly number[] = []): number[] => [...before, read(text)];
}
