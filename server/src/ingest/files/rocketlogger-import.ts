import type { Db } from "../../db/connect.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KeepRoom } from "../../lib/disk.ts";
import { defineError } from "../../lib/errors.ts";
import { readAhead } from "../../lib/read-ahead.ts";
import type { VwcUnit } from "../../store/loggers.ts";
import { everything } from "../../store/visibility.ts";
import type { NewReading, Written } from "../../timeseries/write.ts";
import { requireStillOpen } from "./cells.ts";
import { reading_bytes } from "./pass.ts";
import { readParts, type RowPart } from "./rocketlogger-rows.ts";
import type { BadRow } from "./row.ts";
import { toReadings } from "./rocketlogger.ts";
import type { Source } from "./source.ts";
import { SteadyWriter } from "./steady-writer.ts";
import { decideVwcUnit, type VwcDecision } from "./vwc-unit.ts";

interface ImportDeps {
  readonly db: Db;
  readonly clock: Clock;
}

/** What to import, and who wants to hear of it. */
export interface ImportOrder {
  readonly source: Source;
  readonly cellId: number;
  readonly loggerId: number;
  /** Undefined: decided by the file's values, for which the source must have a size. */
  readonly vwcUnit: VwcUnit | undefined;
  readonly keepRoom: KeepRoom;
  /** Aborting it ends the import after the batch in flight. */
  readonly signal: AbortSignal;
  onProgress(progress: ImportProgress): void;
  onBadRow(row: BadRow): void;
}

export interface ImportProgress {
  readonly phase: "checking" | "importing";
  readonly rows: number;
  readonly bytes: number;
}

/** What became of a file. */
export interface ImportSummary extends Written {
  /** With the bad ones, without empty lines. */
  readonly rows: number;
  readonly badRows: number;
  /** Unix seconds of the earliest and the latest row; null when none was stored. */
  readonly earliest: number | null;
  readonly latest: number | null;
  /** Undefined when the file has no VWC. */
  readonly vwc: VwcDecision | undefined;
  readonly ignoredColumns: readonly string[];
  /** Up to which line the file is stored. */
  readonly lines: number;
  /** Whether that is all of it. */
  readonly finished: boolean;
}

const unitUnknown = defineError(
  "invalid",
  "vwc_unit_unknown",
  "what comes through a pipe can be read only once, so it must be told what its VWC is in: fraction or percent",
);

/**
 * Imports a RocketLogger/TEROS file, batch by batch, each of them whole or not at all: stopped at any point, it
 * goes on when it is run again, because readings that are there already change nothing. The unit of VWC is
 * decided first, for the file as a whole.
 *
 * @throws KnownError when it isn't such a file, its VWC's unit can't be decided, or the cell is gone
 */
export async function importRocketLogger(
  { db, clock }: ImportDeps,
  order: ImportOrder,
): Promise<ImportSummary> {
  const tally = emptyTally();
  const judge = async () => await requireStillOpen(db, everything, [order.cellId]);
  const writer = new SteadyWriter({ db, clock }, judge);
  try {
    tally.vwc = await decide(order);
    for await (const part of readAhead(readParts(order.source.read(order.signal)))) {
      order.signal.throwIfAborted();
      const readings = readingsOf(part, order, tally.vwc, clock());
      await order.keepRoom(reading_bytes * readings.length);
      add(tally, part, await writer.write(readings));
      for (const row of part.badRows) order.onBadRow(row);
      order.onProgress({ phase: "importing", rows: tally.rows, bytes: part.bytes });
    }
    tally.finished = true;
  } catch (error) {
    if (!order.signal.aborted || error !== order.signal.reason) throw error;
  }
  return tally;
}

function readingsOf(
  { rows }: RowPart,
  { cellId, loggerId }: ImportOrder,
  vwc: VwcDecision | undefined,
  receivedAt: number,
): NewReading[] {
  const origin = { cellId, loggerId, receivedAt, vwcUnit: vwc?.unit ?? "percent" };
  return rows.flatMap(({ row }) => toReadings(row, origin));
}

async function decide(order: ImportOrder): Promise<VwcDecision | undefined> {
  const { source, vwcUnit, signal } = order;
  if (vwcUnit) return { unit: vwcUnit, because: "told" };
  if (source.size === undefined) throw unitUnknown();
  let rows = 0;
  return await decideVwcUnit(readParts(source.read(signal)), (part) => {
    rows += part.rows.length + part.badRows.length;
    order.onProgress({ phase: "checking", rows, bytes: part.bytes });
  });
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Tally = Mutable<ImportSummary>;

function emptyTally(): Tally {
  return {
    rows: 0,
    badRows: 0,
    stored: 0,
    repeated: 0,
    conflicting: 0,
    earliest: null,
    latest: null,
    vwc: undefined,
    ignoredColumns: [],
    lines: 0,
    finished: false,
  };
}

function add(tally: Tally, { layout, rows, badRows, lines }: RowPart, written: Written): void {
  tally.rows += rows.length + badRows.length;
  tally.badRows += badRows.length;
  tally.stored += written.stored;
  tally.repeated += written.repeated;
  tally.conflicting += written.conflicting;
  tally.ignoredColumns = layout.ignored;
  tally.lines = lines;
  for (const { row } of rows) {
    tally.earliest = Math.min(row.ts, tally.earliest ?? row.ts);
    tally.latest = Math.max(row.ts, tally.latest ?? row.ts);
  }
}
