import { mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { Journal, type JournalOptions } from "../../src/lib/journal.ts";
import type { Json } from "../../src/lib/journal-lines.ts";
import { silentLog } from "./log.ts";

/** Directories for journals, each of its own, gone after the last test of the file. */
export function useDirectories(): () => string {
  let root: string;
  let made = 0;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "journal-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return () => join(root, String(++made));
}

/** Opens a journal that says nothing and may hold a gigabyte. */
export async function openJournal(
  path: string,
  options: Partial<JournalOptions> = {},
): Promise<Journal> {
  const usual = { max_bytes: 2 ** 30, log: silentLog, clock: systemClock };
  return await Journal.open(path, { ...usual, ...options });
}

/** Records that differ in length and in the bytes of their characters. */
export const some: Json[] = [
  { n: 1 },
  "zwei",
  [3, null, true],
  { µA: 4.5, text: "a\nb\r\u2028" },
  "",
  6,
];

/** Appends all at once. */
export async function appendAll(journal: Journal, records: readonly Json[]): Promise<void> {
  await Promise.all(records.map(async (record) => await journal.append(record)));
}

/** All that a journal hands out, in order. */
export async function drained(journal: Journal): Promise<Json[]> {
  const all: Json[] = [];
  await journal.drain(async (records) => void all.push(...records));
  return all;
}

/** What a journal in a directory hands out to a process that has just begun. */
export async function reopened(path: string): Promise<Json[]> {
  const journal = await openJournal(path);
  const records = await drained(journal);
  await journal.close();
  return records;
}

/** The names of the files in a journal's directory, sorted. */
export async function filesIn(path: string): Promise<string[]> {
  return (await readdir(path)).sort();
}
