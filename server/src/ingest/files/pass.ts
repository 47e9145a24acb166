import type { Db } from "../../db/connect.ts";
import type { KeepRoom } from "../../lib/disk.ts";
import { readAhead } from "../../lib/read-ahead.ts";
import { findStoredValues } from "../../timeseries/stored-values.ts";
import type { NewReading, Written } from "../../timeseries/write.ts";
import type { Part } from "./format.ts";
import type { Survey, SurveyOrder } from "./survey.ts";
import { isVwc } from "./vwc-unit.ts";

/** Where readings go: to the database, or to a rehearsal. */
interface Sink {
  write(readings: readonly NewReading[]): Promise<Written>;
}

/** How files are read, and where there is room for what they hold. */
export interface PassOrder extends SurveyOrder {
  readonly keepRoom: KeepRoom;
}

/** How far it came. */
export interface Passed extends Written {
  /** Rows of measurements, and bytes of files. */
  readonly rows: number;
  readonly bytes: number;
  readonly finished: boolean;
}

type Batch = Pick<Part, "readings" | "rows" | "bytes">;

/** What a reading takes on a disk: its row, its key, and its part of the log. */
export const reading_bytes = 200;

/** One transaction each: with more of them, devices that upload to the same cell would have to wait for longer. */
const batchSize = 5000;

/**
 * Takes the readings of files to where they go, some at a time, each time all or none. Stopped by the signal it
 * answers how far it came.
 *
 * @param isTaken tells whether readings of a cell go on
 */
export async function passReadings(
  db: Db,
  { files }: Survey,
  order: PassOrder,
  sink: Sink,
  isTaken: (cellId: number) => boolean,
  onProgress: (passed: Passed) => void,
): Promise<Passed> {
  const passed = { rows: 0, bytes: 0, stored: 0, repeated: 0, conflicting: 0, finished: false };
  let before_bytes = 0;
  try {
    for (const { file, format, vwc } of files) {
      const parts = format.read(file, { ...order, vwcUnit: vwc?.unit ?? "percent" });
      for await (const { readings, rows, bytes } of readAhead(inBatches(parts))) {
        order.signal.throwIfAborted();
        const taken = readings.filter(({ cellId }) => isTaken(cellId));
        await order.keepRoom(reading_bytes * taken.length);
        add(passed, await sink.write(await settle(db, taken, format.printError)));
        passed.rows += rows;
        passed.bytes = before_bytes + bytes;
        onProgress(passed);
      }
      before_bytes += file.size;
    }
    passed.finished = true;
  } catch (error) {
    if (!order.signal.aborted || error !== order.signal.reason) throw error;
  }
  return passed;
}

/**
 * What stands together for one instant is stored together: a power of its own must come with its voltage and current,
 * which would otherwise have made one.
 */
async function* inBatches(parts: AsyncIterable<Part>): AsyncGenerator<Batch> {
  let waiting: readonly NewReading[] = [];
  let bytes = 0;
  for await (const part of parts) {
    waiting = waiting.length > 0 ? [...waiting, ...part.readings] : part.readings;
    bytes = part.bytes;
    let start = 0;
    while (waiting.length - start > batchSize) {
      const end = findCut(waiting, start, start + batchSize);
      yield { readings: waiting.slice(start, end), rows: 0, bytes };
      start = end;
    }
    // Of the last instant there may be more to come.
    const end = findStart(waiting, start, waiting.length);
    yield { readings: waiting.slice(start, end), rows: part.rows, bytes };
    waiting = waiting.slice(end);
  }
  yield { readings: waiting, rows: 0, bytes };
}

/** Where another instant begins, at a place or before it; a clock that stands still is cut there. */
function findCut(readings: readonly NewReading[], start: number, place: number): number {
  const cut = findStart(readings, start, place + 1);
  return cut > start ? cut : place;
}

/** Where the last instant of some readings begins, that of the one before `end`. */
function findStart(readings: readonly NewReading[], start: number, end: number): number {
  let at = Math.max(start, end - 1);
  while (at > start && readings[at - 1]!.ts === readings[at]!.ts) at -= 1;
  return at;
}

function add(to: { -readonly [Key in keyof Written]: number }, written: Written): void {
  to.stored += written.stored;
  to.repeated += written.repeated;
  to.conflicting += written.conflicting;
}

/** A fraction's last digit is worth a hundred times as much in percent. */
const percentPerFraction = 100;
const rounding = 1e-15;

/**
 * What was printed with few digits isn't another value than the one that it was printed of: where that is stored,
 * it is taken in its place.
 */
async function settle(
  db: Db,
  readings: readonly NewReading[],
  printError: number,
): Promise<readonly NewReading[]> {
  if (printError === 0) return readings;
  const stored = await findStoredValues(db, readings);
  return readings.map((reading, at) => {
    const [{ value, stream }, known] = [reading, stored[at]];
    if (typeof value !== "number" || typeof known !== "number") return reading;
    const scale = isVwc(stream) ? percentPerFraction : 1;
    const error = 1.001 * printError * scale + rounding * Math.abs(known);
    return Math.abs(known - value) <= error ? { ...reading, value: known } : reading;
  });
}
