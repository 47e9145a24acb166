import { readFile } from "node:fs/promises";
import type { ImportFormat, ImportReport, Mapping } from "@ents-backend/schemas/import";
import type { Db } from "../db/connect.ts";
import {
  previewImport,
  runFileImport,
  sizeOf,
  type FileImport,
  type FileProgress,
} from "../ingest/files/file-import.ts";
import { parseMappingText } from "../ingest/files/mapping.ts";
import { planImport } from "../ingest/files/plan.ts";
import { fromStream, keepStream, openStoredFile, type OpenFile } from "../ingest/files/source.ts";
import { loadConfig } from "../config.ts";
import { watchRoom } from "../lib/disk.ts";
import { systemClock } from "../lib/clock.ts";
import { defineError } from "../lib/errors.ts";
import { ProgressBar } from "../lib/progress.ts";
import type { VwcUnit } from "../store/loggers.ts";
import { everything } from "../store/visibility.ts";
import { getCellCalled, getLoggerCalled } from "./called.ts";
import { withDatabaseToFill } from "./database.ts";
import { describeReport, isVain } from "./import-report.ts";
import { interrupted, onceSignalled } from "./interrupt.ts";

/** How files are imported. */
export interface ImportOptions {
  readonly cell?: string;
  readonly logger?: string;
  readonly as?: ImportFormat;
  readonly map?: string;
  readonly vwcUnit?: VwcUnit;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const noMap = defineError("not_found", "no_file", "there is no file {path}");

/** Imports files, or says what would become of them, tells it, and sets the exit status. `-` is standard input. */
export async function importFiles(paths: readonly string[], options: ImportOptions): Promise<void> {
  const mapping = options.map === undefined ? undefined : await readMapping(options.map);
  const report = await unlessInterrupted(
    async (signal) =>
      await withOpenFiles(paths, signal, async (files) => {
        const plan = await planImport(files, { format: options.as, mapping }, signal);
        return await withDatabaseToFill(
          async ({ db }) => await importPlan(db, { plan, mapping, signal }, options),
        );
      }),
  );
  if (!report) {
    console.error("Interrupted: nothing was stored");
    process.exitCode = interrupted;
    return;
  }
  console.log(options.json ? JSON.stringify(report, null, 2) : describeReport(report, options));
  process.exitCode = exitCode(report);
}

/** @returns undefined where a signal came while the files were only looked at */
async function unlessInterrupted<T>(
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const stop = new AbortController();
  const unlisten = onceSignalled(() => stop.abort());
  try {
    return await run(stop.signal);
  } catch (error) {
    if (error === stop.signal.reason) return undefined;
    throw error;
  } finally {
    unlisten();
  }
}

async function withOpenFiles<T>(
  paths: readonly string[],
  signal: AbortSignal,
  use: (files: readonly OpenFile[]) => Promise<T>,
): Promise<T> {
  const files: OpenFile[] = [];
  try {
    for (const path of paths) files.push(await openPath(path, signal));
    return await use(files);
  } finally {
    await Promise.all(files.map(async (file) => await file.close()));
  }
}

async function openPath(path: string, signal: AbortSignal): Promise<OpenFile> {
  if (path !== "-") return await openStoredFile(path, signal);
  return await keepStream(
    "standard input",
    fromStream(() => process.stdin),
    signal,
  );
}

async function importPlan(
  db: Db,
  what: Pick<FileImport, "plan" | "mapping" | "signal">,
  { cell, logger, vwcUnit, dryRun }: ImportOptions,
): Promise<ImportReport> {
  const display = openDisplay(sizeOf(what.plan));
  const order = {
    ...what,
    cellId: cell === undefined ? undefined : (await getCellCalled(db, cell)).id,
    loggerId: logger === undefined ? undefined : (await getLoggerCalled(db, logger)).id,
    receivedAt: systemClock(),
    clock: systemClock,
    vwcUnit,
    keepRoom: watchRoom(loadConfig().diskOf),
    importer: everything,
    onProgress: (progress: FileProgress) => display.show(progress),
  };
  try {
    return await (dryRun ? previewImport(db, order) : runFileImport(db, order));
  } finally {
    display.end();
  }
}

async function readMapping(text: string): Promise<Mapping> {
  if (text.trimStart().startsWith("{")) return parseMappingText(text);
  const content = await readFile(text, "utf8").catch(() => {
    throw noMap({ path: text });
  });
  return parseMappingText(content);
}

function exitCode({ finished, cells, ...counts }: ImportReport): number {
  if (!finished) return interrupted;
  if (isVain(counts)) return 1;
  return cells.some(({ problem }) => problem !== null) ? 1 : 0;
}

const labels: Readonly<Record<FileProgress["phase"], string>> = {
  reading: "Reading  ",
  comparing: "Comparing",
  importing: "Importing",
};

/** Each phase goes over the files from their beginning, at its own pace. */
function openDisplay(totalBytes: number) {
  const [output, clock, unit] = [process.stderr, systemClock, "rows"];
  let shown: { readonly phase: FileProgress["phase"]; readonly bar: ProgressBar } | undefined;
  return {
    show({ phase, rows, bytes }: FileProgress): void {
      if (phase !== shown?.phase) {
        shown?.bar.clear();
        const label = labels[phase];
        shown = { phase, bar: new ProgressBar({ output, clock, label, unit, totalBytes }) };
      }
      shown.bar.update({ count: rows, bytes });
    },
    end: (): void => shown?.bar.clear(),
  };
}
