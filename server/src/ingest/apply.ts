import type { Db } from "../db/connect.ts";
import { isDatabaseAway, isInputRefused } from "../db/fault.ts";
import type { Settled } from "../lib/batcher.ts";
import { deadline, Late } from "../lib/deadline.ts";
import { NotYet } from "../lib/journal.ts";
import type { Json } from "../lib/journal-lines.ts";
import type { Log } from "../lib/log.ts";
import { releaseUploads } from "../store/quarantine.ts";
import { StaleDirectory } from "../timeseries/store-readings.ts";
import type { Written } from "../timeseries/write.ts";
import { decode } from "./decode.ts";
import { Unkept, type Arrived, type Placer } from "./place.ts";
import { fromRecord } from "./record.ts";
import type { Suspects } from "./suspects.ts";

interface ApplyDeps {
  readonly db: Db;
  readonly placer: Pick<Placer, "place" | "keepSpoilt">;
  readonly suspects: Suspects;
  readonly log: Log;
}

interface Entry extends Arrived {
  readonly record: Json;
}

/** How long the uploads of one step out of the journal may take. */
const applying_ms = 30_000;

/** After so many uploads that break the database, one by one, it is perhaps not they that are at fault. */
const strikes = 16;

/**
 * Takes uploads out of the journal to where they belong. One that fails for itself goes to quarantine, and keeps none
 * of the others.
 *
 * @returns the records that can be kept nowhere in the database
 * @throws NotYet when all of them break the database, and it isn't known whether others do
 * @throws what says that the database doesn't take uploads now
 */
export async function applyRecords(
  deps: ApplyDeps,
  records: readonly Json[],
): Promise<readonly Json[]> {
  const { entries, unreadable } = readEntries(records);
  for (const _ of unreadable) deps.log.error({}, "an upload in the journal can't be read here");
  const settled = await placeAll(deps, entries);
  deps.suspects.drop(entries.map(({ uplink }) => uplink.id));
  if (settled.some(({ ok }) => ok)) deps.suspects.noteTaken();
  // The database may have refused one, too late to be waited for, before it was there what it refers to.
  const stored = entries.filter((_, at) => settled[at]!.ok);
  await releaseUploads(
    deps.db,
    stored.map(({ uplink }) => uplink.id),
  );
  const unkept = entries.flatMap((entry, at) => {
    const one = settled[at]!;
    return !one.ok && one.error instanceof Unkept ? [{ ...entry, error: one.error }] : [];
  });
  for (const { uplink, error: err } of unkept)
    deps.log.error({ err, id: uplink.id, path: uplink.path }, "an upload can be kept in no table");
  return [...unreadable, ...unkept.map(({ record }) => record)];
}

function readEntries(records: readonly Json[]): { entries: Entry[]; unreadable: Json[] } {
  const entries: Entry[] = [];
  const unreadable: Json[] = [];
  for (const record of records) {
    const uplink = fromRecord(record);
    if (!uplink) {
      unreadable.push(record);
      continue;
    }
    const content = decode(uplink);
    if (!("ignored" in content)) entries.push({ record, uplink, content });
  }
  return { entries, unreadable };
}

async function placeAll(
  { placer, suspects }: ApplyDeps,
  entries: readonly Entry[],
): Promise<Settled<Written>[]> {
  const settled = await deadline(applying_ms, placer.place(entries));
  const failed = settled.find(isPassingOne);
  if (!failed) return settled;
  if (!isBroken(failed)) throw failed.error;
  return await placeOneByOne(placer, suspects, entries);
}

/** What breaks the database while it takes others of them fails for itself, and is put into quarantine. */
async function placeOneByOne(
  placer: ApplyDeps["placer"],
  suspects: Suspects,
  entries: readonly Entry[],
): Promise<Settled<Written>[]> {
  const settled: Settled<Written>[] = [];
  for (const entry of entries) {
    const [one] = await deadline(applying_ms, placer.place([entry]));
    settled.push(one!);
    if (!isPassingOne(one!)) continue;
    if (!isBroken(one)) throw one.error;
    const isEnough = settled.length === Math.min(strikes, entries.length);
    if (!isEnough || !settled.every(isBroken)) continue;
    const tried = entries.slice(0, settled.length).map(({ uplink }) => uplink.id);
    if (!suspects.accuse(tried)) throw new NotYet(one.error);
  }
  return await Promise.all(
    settled.map(async (one, at) =>
      isPassingOne(one) ? await placer.keepSpoilt(entries[at]!, one.error) : one,
    ),
  );
}

function isBroken(one: Settled<Written>): boolean {
  return isPassingOne(one) && !isAbsence(one.error);
}

function isPassingOne(one: Settled<Written>): one is { ok: false; error: unknown } {
  return !one.ok && isPassing(one.error);
}

/** Whether an upload may be kept when it is tried again. */
export function isPassing(error: unknown): boolean {
  return isAbsence(error) || !(error instanceof Unkept || isInputRefused(error));
}

/** Whether that may be so soon: there is nothing to mend. */
export function isAbsence(error: unknown): boolean {
  return error instanceof Late || error instanceof StaleDirectory || isDatabaseAway(error);
}
