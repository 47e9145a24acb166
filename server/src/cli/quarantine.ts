import { Command } from "commander";
import type { Db } from "../db/connect.ts";
import { describeUpload } from "../ingest/describe.ts";
import { discard } from "../ingest/discard.ts";
import { systemClock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { defineError } from "../lib/errors.ts";
import {
  countQuarantined,
  getQuarantined,
  listQuarantined,
  type QuarantinedUpload,
  type QuarantineFilter,
} from "../store/quarantine-list.ts";
import { everything } from "../store/visibility.ts";
import { commandLine } from "./actor.ts";
import { withDatabase } from "./database.ts";
import { wholeNumber } from "./options.ts";
import {
  collectIds,
  listChosen,
  requireChoice,
  withFilter,
  type Choice,
} from "./quarantine-choice.ts";
import { replayCommand } from "./quarantine-replay.ts";
import { formatTable } from "./table.ts";
import { openUploadBar } from "./upload-bar.ts";

const sayYes = defineError(
  "invalid",
  "say_yes",
  "this would discard {count} uploads for good: say --yes if that is meant",
);

const list = withFilter(
  new Command("list").description("list uploads that could not be placed, the newest first"),
)
  .option("--limit <number>", "so many at most", wholeNumber(1), 100)
  .option("--json", "as JSON, for programs")
  .action(
    async ({ json, limit, ...filter }: QuarantineFilter & { json?: boolean; limit: number }) => {
      const { uploads, total } = await withDatabase(async ({ db }) => ({
        uploads: await listQuarantined(db, everything, filter, { limit }),
        total: await countQuarantined(db, everything, filter),
      }));
      if (json) return console.log(JSON.stringify(uploads, null, 2));
      console.log(formatTable(uploads.map(toLine), columns));
      if (total > uploads.length) console.log(`… and ${total - uploads.length} older ones`);
    },
  );

const columns = ["id", "received_at", "cells", "bytes", "keyed", "code", "reason"] as const;

function toLine({ cell_ids, cell_names, size, ...upload }: QuarantinedUpload) {
  return { ...upload, bytes: size, cells: [...cell_ids, ...cell_names].join(" ") || null };
}

const show = new Command("show")
  .description("show an upload: where it came from, its bytes and what they say")
  .argument("<id>", "its number", wholeNumber(1))
  .action(async (id: number) => {
    const upload = await withDatabase(({ db }) => getQuarantined(db, everything, id));
    const shown = { ...upload, body: undefined, ...describeUpload(upload) };
    console.log(JSON.stringify(shown, null, 2));
  });

const discardCommand = withFilter(
  new Command("discard")
    .description("discard uploads for good")
    .argument("[ids...]", "their numbers", collectIds(wholeNumber(1)))
    .option("--all", "all of them"),
)
  .option("--yes", "needed for more than one", false)
  .action(async (ids: readonly number[], { yes, ...choice }: Choice & { yes: boolean }) => {
    requireChoice(ids, choice);
    const discarded = await withDatabase(async ({ db }) => {
      const chosen = await listChosen(db, ids, choice);
      if (chosen.length > 1 && !yes) throw sayYes({ count: chosen.length });
      return await discardAll(db, chosen);
    });
    console.log(`Discarded ${count(discarded, "upload")}.`);
  });

async function discardAll(db: Db, ids: readonly number[]): Promise<number> {
  const bar = openUploadBar("Discarding", ids.length);
  let discarded = 0;
  for (const id of ids) {
    if (await discard(db, id, commandLine, systemClock())) discarded += 1;
    bar.advance();
  }
  bar.clear();
  return discarded;
}

export const quarantineCommand = new Command("quarantine")
  .description("look at uploads that could not be placed, and replay or discard them")
  .addCommand(list)
  .addCommand(show)
  .addCommand(replayCommand)
  .addCommand(discardCommand);
