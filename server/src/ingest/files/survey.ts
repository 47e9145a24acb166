import type { DataType, Stream } from "@ents-backend/schemas/sensor";
import type { Db } from "../../db/connect.ts";
import { day_s } from "../../lib/duration.ts";
import { defineError } from "../../lib/errors.ts";
import { findCells } from "../../store/cells.ts";
import { findLoggers, type VwcUnit } from "../../store/loggers.ts";
import type { Reader } from "../../store/visibility.ts";
import { streamKey } from "../../timeseries/sensors.ts";
import type { NewReading } from "../../timeseries/write.ts";
import { lookIn } from "../lookup.ts";
import { findOwnersRoles, isHeeded } from "../permission.ts";
import type { FileFormat, Part, ReadOrder } from "./format.ts";
import type { Plan, PlannedFile } from "./plan.ts";
import { isVwc, VwcEvidence, type DeviceVwcDecision } from "./vwc-unit.ts";

/** What a plan's files are read for; in what VWC stands is found out, unless it is told. */
export interface SurveyOrder extends Omit<ReadOrder, "vwcUnit"> {
  readonly vwcUnit: VwcUnit | undefined;
  readonly importer: Reader;
}

/** What one file holds. */
export interface SurveyedFile extends PlannedFile {
  readonly rows: number;
  readonly badRows: number;
  readonly ignored: readonly string[];
  /** Undefined when there is nothing to decide. */
  readonly vwc: DeviceVwcDecision | undefined;
  readonly vwcMixture: VwcEvidence["mixture"];
}

/** What all files hold of one sensor. */
export interface SurveyedSensor {
  readonly cellId: number;
  readonly stream: Stream;
  readonly dataType: DataType;
  readonly readings: number;
  /** Unix seconds. */
  readonly earliest: number;
  readonly latest: number;
  /** The usual time between two readings; undefined when there are no two. */
  readonly step_s: number | undefined;
}

interface WrongRow {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

/** What files hold, before anything is compared or stored. */
export interface Survey {
  readonly files: readonly SurveyedFile[];
  readonly sensors: readonly SurveyedSensor[];
  /** How many readings there are of each cell, and from each logger. */
  readonly cells: ReadonlyMap<number, number>;
  readonly loggers: ReadonlyMap<number | null, number>;
  readonly rows: number;
  readonly badRows: number;
  /** The first of them. */
  readonly wrong: readonly WrongRow[];
  /** Readings from before there were nodes, and from after now. */
  readonly early: number;
  readonly late: number;
}

const mostWrongRows = 20;
const mostSensors = 1000;
const mostSteps = 1000;

/** No node is as old; clocks that nobody has set start in 1970 or 2000. Unix seconds of 2010-01-01. */
const firstNodes = 1_262_304_000;

const tooManySensors = defineError(
  "too_large",
  "too_many_sensors",
  "this is of more than {most} sensors or loggers: import the files in parts",
);

/**
 * Reads files from beginning to end, to find out what they hold: in memory that grows with the number of their
 * sensors and loggers alone, which is bounded.
 *
 * @throws KnownError when one of them can't be read; the signal's reason
 */
export async function survey(
  db: Db,
  { files }: Plan,
  order: SurveyOrder,
  onProgress: (reached: { readonly rows: number; readonly bytes: number }) => void,
): Promise<Survey> {
  const found = new Findings(order.receivedAt);
  let before_bytes = 0;
  for (const { file, format } of files) {
    const evidence = new VwcEvidence();
    const numbers = { loggers: new Set<number>(), cells: new Set<number>() };
    const own = { rows: 0, badRows: 0, ignored: [] as readonly string[] };
    for await (const part of format.read(file, { ...order, vwcUnit: "percent" })) {
      own.rows += part.rows;
      own.badRows += part.badRows.length;
      own.ignored = part.ignored;
      found.add(file.name, part);
      part.readings.forEach(({ stream, value, cellId, loggerId }, at) => {
        if (!isVwc(stream)) return;
        if (loggerId !== null) numbers.loggers.add(loggerId);
        numbers.cells.add(cellId);
        evidence.see(value, part.lines[at]!);
      });
      order.signal.throwIfAborted();
      onProgress({ rows: found.rows, bytes: before_bytes + part.bytes });
    }
    before_bytes += file.size;
    const vwc = await decideVwc(db, format, order, evidence, numbers);
    found.files.push({ file, format, ...own, vwc, vwcMixture: evidence.mixture });
  }
  return found;
}

async function decideVwc(
  db: Db,
  format: FileFormat,
  { vwcUnit, importer }: SurveyOrder,
  evidence: VwcEvidence,
  numbers: Numbers,
): Promise<DeviceVwcDecision | undefined> {
  const shown = evidence.decide();
  if (!shown || format.vwc === "percent") return undefined;
  if (vwcUnit) return { unit: vwcUnit, because: "told" };
  if (format.vwc === "as its values show") return shown;
  const unit = await findSetting(db, importer, numbers);
  if (unit) return { unit, because: "set" };
  return evidence.mixture ? { unit: "each", because: "both_kinds" } : shown;
}

/** Of the readings of VWC in a file. */
interface Numbers {
  readonly loggers: ReadonlySet<number>;
  readonly cells: ReadonlySet<number>;
}

/** What all loggers of a file are set to send, as far as their settings hold for its cells. */
async function findSetting(
  db: Db,
  { userId }: Reader,
  numbers: Numbers,
): Promise<VwcUnit | undefined> {
  const loggers = await findLoggers(db, [...numbers.loggers], []);
  const cells = await findCells(
    db,
    [...numbers.cells].filter((id) => id < 2 ** 31),
    [],
  );
  const roles = await findOwnersRoles(lookIn(db), loggers, cells);
  const heeded = loggers.filter((one) => cells.every((cell) => isHeeded(one, userId, cell, roles)));
  const units = new Set(heeded.map(({ vwc_unit }) => vwc_unit));
  const [unit] = units;
  // What no logger has may be the same node before it was told its number.
  const isOfAll = heeded.length === loggers.length && units.size === 1;
  return isOfAll ? (unit ?? undefined) : undefined;
}

class Findings implements Survey {
  readonly files: SurveyedFile[] = [];
  readonly cells = new Map<number, number>();
  readonly loggers = new Map<number | null, number>();
  readonly wrong: WrongRow[] = [];
  rows = 0;
  badRows = 0;
  early = 0;
  late = 0;
  readonly #sensors = new Map<number, Map<string, SensorFindings>>();
  readonly #now: number;
  #sensorCount = 0;

  constructor(now: number) {
    this.#now = now;
  }

  get sensors(): SurveyedSensor[] {
    return [...this.#sensors.values()].flatMap((sensors) => [...sensors.values()]);
  }

  add(file: string, { readings, rows, badRows }: Part): void {
    this.rows += rows;
    this.badRows += badRows.length;
    for (const row of badRows.slice(0, mostWrongRows - this.wrong.length))
      this.wrong.push({ file, ...row });
    for (const reading of readings) this.#see(reading);
  }

  #see(reading: NewReading): void {
    const { cellId, loggerId, ts } = reading;
    this.cells.set(cellId, (this.cells.get(cellId) ?? 0) + 1);
    this.loggers.set(loggerId, (this.loggers.get(loggerId) ?? 0) + 1);
    if (this.loggers.size > mostSensors) throw tooManySensors({ most: mostSensors });
    if (ts < firstNodes) this.early += 1;
    if (ts > this.#now + day_s) this.late += 1;
    this.#sensorOf(reading).see(reading);
  }

  #sensorOf(reading: NewReading): SensorFindings {
    const { cellId, stream } = reading;
    let sensors = this.#sensors.get(cellId);
    if (!sensors) this.#sensors.set(cellId, (sensors = new Map()));
    const key = streamKey(stream);
    let sensor = sensors.get(key);
    if (sensor) return sensor;
    if (++this.#sensorCount > mostSensors) throw tooManySensors({ most: mostSensors });
    sensors.set(key, (sensor = new SensorFindings(reading)));
    return sensor;
  }
}

class SensorFindings implements SurveyedSensor {
  readonly cellId: number;
  readonly stream: Stream;
  dataType: DataType;
  readings = 0;
  earliest: number;
  latest: number;
  readonly #steps_s: number[] = [];
  #last: number;

  constructor({ cellId, stream, dataType, ts }: NewReading) {
    this.cellId = cellId;
    this.stream = stream;
    this.dataType = dataType;
    this.earliest = ts;
    this.latest = ts;
    this.#last = ts;
  }

  get step_s(): number | undefined {
    return this.#steps_s.toSorted((a, b) => a - b)[Math.floor((this.#steps_s.length - 1) / 2)];
  }

  see({ ts, dataType }: NewReading): void {
    this.readings += 1;
    if (dataType === "float") this.dataType = dataType;
    this.earliest = Math.min(this.earliest, ts);
    this.latest = Math.max(this.latest, ts);
    const step_s = Math.abs(ts - this.#last);
    if (step_s > 0 && this.#steps_s.length < mostSteps) this.#steps_s.push(step_s);
    this.#last = ts;
  }
}
