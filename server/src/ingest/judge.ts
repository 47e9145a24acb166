import { isSameStream, sensorType } from "@ents-backend/schemas/sensor";
import type { Cell } from "../store/cells.ts";
import type { Logger } from "../store/loggers.ts";
import type { NewReading } from "../timeseries/write.ts";
import { describeReference, type Directory } from "./directory.ts";
import {
  findOrCreateCells,
  findOrCreateLoggers,
  type Arrival,
  type CreatorDeps,
} from "./newcomers.ts";
import { findLoggerFault, findOpenTo, refuseCell } from "./permission.ts";
import { refuseIfAny, unknownCell, type Refusal } from "./refusal.ts";
import type { Measurement, Reference, Sender, Value } from "./uplink.ts";
import { toPercent } from "./vwc.ts";

const vwc = sensorType("TEROS12_VWC_ADJ");

/**
 * Finds each measurement its place: the cell must exist and take it from its sender. A logger need not be
 * registered: its number is kept with the readings, and its owner can claim it later.
 *
 * @throws Refusal when one measurement has no place; a message is taken whole or not at all
 */
export async function judge(
  deps: CreatorDeps,
  measurements: readonly Measurement[],
  arrival: Arrival,
): Promise<NewReading[]> {
  const { sender } = arrival;
  const cells = await findOrCreateCells(
    deps,
    measurements.map(({ cell }) => cell),
    arrival,
  );
  const openTo = await findOpenTo(deps.db, sender, cells.rows);
  refuse(measurements, ({ cell }) => findCellFault(sender, cell, cells.find(cell), openTo));
  const loggers = await findOrCreateLoggers(
    deps,
    measurements.flatMap(({ logger }) => [logger, loggerOf(sender, logger)]),
    arrival,
  );
  refuse(measurements, ({ logger }) => findLoggerFault(sender, logger, loggers));
  return measurements.flatMap((measurement) =>
    toReadings(measurement, cells.find(measurement.cell)!, loggers, arrival),
  );
}

function refuse(
  measurements: readonly Measurement[],
  findFault: (measurement: Measurement) => Refusal | undefined,
): void {
  refuseIfAny(
    measurements.map(({ idx }) => idx),
    measurements.map(findFault),
  );
}

function findCellFault(
  sender: Sender,
  reference: Reference,
  cell: Cell | undefined,
  openTo: ReadonlySet<number>,
): Refusal | undefined {
  if (!cell) return unknownCell(describeReference(reference));
  return openTo.has(cell.id) ? undefined : refuseCell(sender, reference);
}

/** The logger that readings are kept under: an upload key says it for the message. */
function loggerOf(sender: Sender, reference: Reference | undefined): Reference | undefined {
  return sender.kind === "logger" ? { id: sender.loggerId } : reference;
}

function toReadings(
  { logger, ts, values }: Measurement,
  { id: cellId }: Cell,
  loggers: Directory<Logger>,
  { sender, receivedAt }: Arrival,
): NewReading[] {
  const reference = loggerOf(sender, logger);
  const registered = loggers.find(reference);
  const loggerId = registered?.id ?? numberOf(reference);
  return values.map((value) => ({
    cellId,
    stream: value.stream,
    dataType: value.dataType,
    ts,
    value: normalise(value, registered),
    receivedAt,
    loggerId,
  }));
}

/** A probe that isn't plugged in reads as NaN or infinite: that is a reading without a value. */
function normalise({ stream, value }: Value, logger: Logger | undefined): number | null {
  if (!Number.isFinite(value)) return null;
  return isSameStream(stream, vwc) ? toPercent(value, logger?.vwc_unit ?? undefined) : value;
}

function numberOf(reference: Reference | undefined): number | null {
  return reference && "id" in reference ? reference.id : null;
}
