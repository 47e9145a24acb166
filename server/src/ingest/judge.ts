import { isSameStream, sensorType } from "@ents-backend/schemas/sensor";
import type { Cell } from "../store/cells.ts";
import type { KnownLogger, VwcUnit } from "../store/loggers.ts";
import type { Message, NewReading } from "../timeseries/write.ts";
import { describeReference, type Directory } from "./directory.ts";
import {
  findOrCreateCells,
  findOrCreateLoggers,
  type Arrival,
  type CreatorDeps,
} from "./newcomers.ts";
import {
  findLoggerFault,
  findOwnersRoles,
  findRoles,
  isHeeded,
  isOpenTo,
  onBehalfOf,
  refuseCell,
} from "./permission.ts";
import type { Roles } from "./lookup.ts";
import { refusalIfAny, unknownCell, unknownUploadKey, type Refusal } from "./refusal.ts";
import type { Measurement, Reference, Sender, Value } from "./uplink.ts";
import { toPercent } from "./vwc.ts";

const vwc = sensorType("TEROS12_VWC_ADJ");

/** The measurements of one upload, and how they came. */
interface Candidate extends Arrival {
  readonly measurements: readonly Measurement[];
  /** By whose key it came first, where it comes again from somebody else; null: without one. */
  readonly whose?: string | null;
}

export type Judgement =
  | { readonly readings: readonly NewReading[] }
  | { readonly refusal: Refusal };

/** None, where an upload is refused. */
export function readingsOf(judgement: Judgement): readonly NewReading[] {
  return "readings" in judgement ? judgement.readings : [];
}

/**
 * Finds each upload's measurements their place: the cell must exist and take them from their sender. A logger need
 * not be registered: its number is kept with the readings, and its owner can claim it later. A message is taken whole
 * or not at all. Asks the database once for the cells of all uploads, their loggers and their senders' roles, and makes what
 * is missing one by one.
 *
 * @returns a judgement of each, in order
 */
export async function judge(
  deps: CreatorDeps,
  candidates: readonly Candidate[],
): Promise<Judgement[]> {
  const known = candidates.filter(({ sender }) => sender.kind !== "unknown");
  const cells = await findOrCreateCells(deps, known, cellsOf);
  const roles = await findRoles(
    deps.lookup,
    known.map(({ sender }) => sender),
    cells.rows,
  );
  const cellFaults = candidates.map((candidate) => findCellFaults(candidate, cells, roles));
  const placed = candidates.filter((_, at) => !cellFaults[at]);
  const loggers = await findOrCreateLoggers(deps, placed, loggersOf);
  const ownersRoles = await findOwnersRoles(deps.lookup, loggers.rows, cells.rows);
  return candidates.map((candidate, at) => {
    const refusal = cellFaults[at] ?? findLoggerFaults(candidate, loggers);
    return refusal ? { refusal } : { readings: toReadings(candidate, cells, loggers, ownersRoles) };
  });
}

function cellsOf({ measurements }: Candidate): Reference[] {
  return measurements.map(({ cell }) => cell);
}

function loggersOf({ measurements, sender }: Candidate): (Reference | undefined)[] {
  const named = measurements.map(({ logger }) => logger);
  return sender.kind === "logger" ? [...named, { id: sender.loggerId }] : named;
}

function findCellFaults(
  { sender, measurements }: Candidate,
  cells: Directory<Cell>,
  roles: Roles,
): Refusal | undefined {
  if (sender.kind === "unknown")
    return refusalIfAny(measurements, unknownUploadKey) ?? unknownUploadKey();
  return refusalIfAny(measurements, ({ cell: reference }) => {
    const cell = cells.find(reference);
    if (!cell) return unknownCell(describeReference(reference));
    return isOpenTo(sender, cell, roles) ? undefined : refuseCell(sender, reference);
  });
}

function findLoggerFaults(
  { sender, measurements }: Candidate,
  loggers: Directory<KnownLogger>,
): Refusal | undefined {
  return refusalIfAny(measurements, ({ logger }) => findLoggerFault(sender, logger, loggers));
}

/** The logger that readings are kept under: an upload key says it for the message. */
function loggerOf(sender: Sender, reference: Reference | undefined): Reference | undefined {
  return sender.kind === "logger" ? { id: sender.loggerId } : reference;
}

function toReadings(
  { measurements, sender, receivedAt, whose = onBehalfOf(sender) }: Candidate,
  cells: Directory<Cell>,
  loggers: Directory<KnownLogger>,
  ownersRoles: Roles,
): NewReading[] {
  return measurements.flatMap(({ cell: named, logger, ts, values }) => {
    const reference = loggerOf(sender, logger);
    const registered = loggers.find(reference);
    const loggerId = registered?.id ?? numberOf(reference);
    const cell = cells.find(named)!;
    const isSet = registered !== undefined && isHeeded(registered, whose, cell, ownersRoles);
    const vwcUnit = isSet ? (registered.vwc_unit ?? undefined) : undefined;
    const message = values.length > 1 ? toMessage(values, vwcUnit) : undefined;
    return values.map((value) => ({
      cellId: cell.id,
      stream: value.stream,
      dataType: value.dataType,
      ts,
      value: normalise(value, vwcUnit),
      receivedAt,
      loggerId,
      message,
    }));
  });
}

/** Version 2 has one value in each measurement: what has several is announced in the form of version 1. */
function toMessage(values: readonly Value[], vwcUnit: VwcUnit | undefined): Message {
  const isFraction = (value: Value): boolean => {
    const stored = normalise(value, vwcUnit);
    return stored !== null && stored !== value.value;
  };
  return { hasFraction: values.some(isFraction) };
}

/** A probe that isn't plugged in reads as NaN or infinite: that is a reading without a value. */
function normalise({ stream, value }: Value, vwcUnit: VwcUnit | undefined): number | null {
  if (!Number.isFinite(value)) return null;
  return isSameStream(stream, vwc) ? toPercent(value, vwcUnit) : value;
}

function numberOf(reference: Reference | undefined): number | null {
  return reference && "id" in reference ? reference.id : null;
}
