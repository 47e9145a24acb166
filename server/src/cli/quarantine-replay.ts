import { Command } from "commander";
import { loadConfig } from "../config.ts";
import { replayMany, type ReplayCounts } from "../ingest/replay-many.ts";
import { systemClock } from "../lib/clock.ts";
import { everything } from "../store/visibility.ts";
import { commandLine } from "./actor.ts";
import { withDatabase } from "./database.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";
import { openCommandLogger } from "./log.ts";
import { wholeNumber } from "./options.ts";
import {
  collectIds,
  listChosen,
  requireChoice,
  withFilter,
  type Choice,
} from "./quarantine-choice.ts";
import { openUploadBar } from "./upload-bar.ts";

const mostRefusedShown = 20;

/** Who runs commands may do everything; what they make on the way is nobody's. */
const operator = {
  kind: "user",
  userId: null,
  admin: true,
  mayUpload: true,
  actor: commandLine,
} as const;

/** What anybody may have sent to a cell that isn't open to them: `--all` doesn't mean that. */
const uninvited = ["upload_key_required", "upload_forbidden"];

/** `quarantine replay`. */
export const replayCommand = withFilter(
  new Command("replay")
    .description("store uploads that can be placed by now, as of the time at which they came")
    .argument("[ids...]", "their numbers", collectIds(wholeNumber(1)))
    .option("--all", "all of them but what was refused for want of a key or a right"),
)
  .option("--json", "what became of them as JSON, for programs")
  .addHelpText(
    "after",
    `
What is stored leaves quarantine; what is refused again stays, with the new reason. It can be stopped at any moment
and run again: what was replayed before is repeated, and changes nothing. What came for a cell that takes uploads with a
key only is replayed when --code (${uninvited.join(", ")}), --cell or numbers ask for it: look at it
before. A cell or logger that an upload names and isn't there is made where --cell or numbers ask for it.

Exit status: 0 all are stored; 1 some are still refused; 130 interrupted.

Example: node 12 sends for cell 999, which is missing
  $ ents-backend cell create "Plot 9" --id 999 --upload-policy open
  $ ents-backend quarantine replay --cell 999`,
  )
  .action(run);

async function run(
  ids: readonly number[],
  { json, ...choice }: Choice & { readonly json?: boolean },
): Promise<void> {
  requireChoice(ids, choice);
  const stop = new AbortController();
  const unlisten = onceSignalled(() => stop.abort());
  try {
    const counts = await replayChosen(ids, choice, () => stop.signal.aborted);
    console.log(json ? JSON.stringify(counts, null, 2) : describe(counts));
    process.exitCode = counts.still_refused.length > 0 ? 1 : 0;
    if (stop.signal.aborted) process.exitCode = interrupted;
  } finally {
    unlisten();
  }
}

async function replayChosen(
  ids: readonly number[],
  choice: Choice,
  isOver: () => boolean,
): Promise<ReplayCounts> {
  const config = loadConfig();
  return await withDatabase(async ({ db }) => {
    const exceptCodes = choice.all && choice.code === undefined ? uninvited : undefined;
    const chosen = await listChosen(db, ids, { ...choice, exceptCodes });
    const bar = openUploadBar("Replaying", chosen.length);
    const log = openCommandLogger(config);
    const deps = { db, log, clock: systemClock, settings: config };
    const replayer = { ...operator, mayCreate: ids.length > 0 || choice.cell !== undefined };
    const order = { ids: chosen, reader: everything, replayer };
    try {
      return (await replayMany(deps, { ...order, isOver, onEach: bar.advance })).counts;
    } finally {
      bar.clear();
    }
  });
}

function describe({
  replayed,
  stored,
  repeated,
  conflicting,
  still_refused,
}: ReplayCounts): string {
  const lines = still_refused
    .slice(0, mostRefusedShown)
    .map(({ id, reason }) => `  ${id}: ${reason}`);
  const more = still_refused.length - lines.length;
  return [
    `Replayed ${replayed} upload${replayed === 1 ? "" : "s"}: ${stored} new readings, ${repeated} that were there, ${conflicting} conflicting.`,
    ...(lines.length > 0 ? [`Still refused: ${still_refused.length}`, ...lines] : []),
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ].join("\n");
}
