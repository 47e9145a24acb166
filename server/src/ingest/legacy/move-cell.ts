import type { Db } from "../../db/connect.ts";
import type { OldDatabase } from "../../store/legacy/old-database.ts";
import { readOldReadings } from "../../store/legacy/old-readings.ts";
import { saveProgress, type Progress } from "../../store/legacy/progress.ts";
import {
  noIds,
  readingTables,
  type Ids,
  type OldRange,
  type Series,
} from "../../store/legacy/series.ts";
import type { Written } from "../../timeseries/write.ts";
import type { KeepRoom } from "../../lib/disk.ts";
import { reading_bytes } from "../files/pass.ts";
import type { SteadyWriter } from "../files/steady-writer.ts";
import { cutBatches, type MoveBatch } from "./batches.ts";

interface MoveDeps {
  readonly db: Db;
  readonly old: OldDatabase;
  readonly writer: SteadyWriter;
  readonly keepRoom: KeepRoom;
  /** Aborting it ends the work after the batch in flight. */
  readonly signal: AbortSignal;
  /** @param readings that were read since the last call */
  readonly onProgress: (readings: number) => void;
}

const nothingWritten: Written = { stored: 0, repeated: 0, conflicting: 0 };

/** From this instant on, whatever the clock of a device says. */
export const fromTheBeginning = 0;

/** How far a cell has been read before it is begun. */
export function newProgress(vwcRule: Progress["vwcRule"]): Progress {
  return { vwcRule, zone: null, readTo: noIds, pass: null };
}

/**
 * Brings over a cell's readings that haven't come yet, and remembers every batch: stopped at any point, it goes on from
 * there. First it ends what was under way, then it reads the rows that came since.
 *
 * @param to the ids up to which the old database is read
 * @throws the signal's reason when it is aborted
 */
export async function moveCell(
  deps: MoveDeps,
  cellId: number,
  series: readonly Series[],
  to: Ids,
  start: Progress,
): Promise<Written> {
  const { vwcRule } = start;
  const { zone } = deps.old;
  let { readTo } = start;
  let written = nothingWritten;
  const passes = start.pass
    ? [start.pass, { to, reached: fromTheBeginning }]
    : [{ to, reached: fromTheBeginning }];
  for (const pass of passes) {
    if (!readingTables.some((table) => pass.to[table] > readTo[table])) continue;
    const range = { after: readTo, to: pass.to, from: pass.reached };
    const save = async (reached: number): Promise<void> =>
      await saveProgress(deps.db, cellId, {
        vwcRule,
        zone,
        readTo,
        pass: { to: pass.to, reached },
      });
    await save(pass.reached);
    written = add(written, await movePass(deps, series, range, save));
    readTo = pass.to;
    await saveProgress(deps.db, cellId, { vwcRule, zone, readTo, pass: null });
  }
  return written;
}

/** While one batch is stored the next one is read. */
async function movePass(
  { old, writer, keepRoom, signal, onProgress }: MoveDeps,
  series: readonly Series[],
  range: OldRange,
  save: (reached: number) => Promise<void>,
): Promise<Written> {
  let written = nothingWritten;
  const store = async ({ readings, repeated, reached }: MoveBatch): Promise<void> => {
    await keepRoom(reading_bytes * readings.length);
    written = add(add(written, await writer.write(readings)), { ...nothingWritten, repeated });
    await save(reached);
    onProgress(readings.length + repeated);
  };
  if (series.length === 0) return written;
  let storing = Promise.resolve();
  try {
    for await (const batch of cutBatches(readOldReadings(old, series, range), series)) {
      await storing;
      signal.throwIfAborted();
      storing = store(batch);
      // It is waited for with the next one; until then its failure must not end the process.
      storing.catch(() => undefined);
    }
  } finally {
    await storing;
  }
  return written;
}

/** What two parts of a move have stored, as one. */
export function add(a: Written, b: Written): Written {
  return {
    stored: a.stored + b.stored,
    repeated: a.repeated + b.repeated,
    conflicting: a.conflicting + b.conflicting,
  };
}
