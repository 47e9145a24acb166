import { sensorType } from "@ents-backend/schemas/sensor";
import type { Db } from "../db/connect.ts";
import { findCells, type Cell } from "../store/cells.ts";
import { findLoggers, type Logger } from "../store/loggers.ts";
import type { NewReading } from "../timeseries/write.ts";
import { closedCell, refuseIfAny, unknownCell, type Refusal } from "./refusal.ts";
import type { Measurement, Reference, Value } from "./uplink.ts";
import { toPercent } from "./vwc.ts";

const vwc = sensorType("TEROS12_VWC_ADJ").name;

/**
 * Finds each measurement its place: the cell must exist and take it. A logger need not be registered: its
 * number is kept with the readings, and its owner can claim it later.
 *
 * @param receivedAt Unix seconds
 * @throws Refusal when one measurement has no place; a message is taken whole or not at all
 */
export async function judge(
  db: Db,
  measurements: readonly Measurement[],
  receivedAt: number,
): Promise<NewReading[]> {
  const cells = new Directory(
    await findCells(db, ...references(measurements.map(({ cell }) => cell))),
  );
  const loggers = new Directory(
    await findLoggers(db, ...references(measurements.map(({ logger }) => logger))),
  );
  const faults = measurements.map(({ cell }) => findFault(cell, cells.find(cell)));
  refuseIfAny(
    measurements.map(({ idx }) => idx),
    faults,
  );
  return measurements.flatMap(({ cell, logger, ts, values }) => {
    const registered = loggers.find(logger);
    const loggerId = registered?.id ?? numberOf(logger);
    const { id: cellId } = cells.find(cell)!;
    return values.map(({ stream, dataType, value }) => ({
      cellId,
      stream,
      dataType,
      ts,
      value: normalise({ stream, dataType, value }, registered),
      receivedAt,
      loggerId,
    }));
  });
}

function findFault(reference: Reference, cell: Cell | undefined): Refusal | undefined {
  if (!cell)
    return unknownCell("id" in reference ? String(reference.id) : JSON.stringify(reference.name));
  if (cell.upload_policy !== "open") return closedCell(String(cell.id));
  return undefined;
}

/** A probe that isn't plugged in reads as NaN or infinite: that is a reading without a value. */
function normalise({ stream, value }: Value, logger: Logger | undefined): number | null {
  if (!Number.isFinite(value)) return null;
  return stream.name === vwc ? toPercent(value, logger?.vwc_unit ?? undefined) : value;
}

/** What the database has of the cells or loggers that an upload refers to. */
class Directory<Row extends { readonly id: number; readonly name: string }> {
  readonly #byId: ReadonlyMap<number, Row>;
  readonly #byName: ReadonlyMap<string, Row>;

  constructor(rows: readonly Row[]) {
    this.#byId = new Map(rows.map((row) => [row.id, row]));
    this.#byName = new Map(rows.map((row) => [row.name.toLowerCase(), row]));
  }

  find(reference: Reference | undefined): Row | undefined {
    if (!reference) return undefined;
    return "id" in reference
      ? this.#byId.get(reference.id)
      : this.#byName.get(reference.name.toLowerCase());
  }
}

function references(all: readonly (Reference | undefined)[]): [ids: number[], names: string[]] {
  const ids = all.flatMap((reference) => (reference && "id" in reference ? [reference.id] : []));
  const names = all.flatMap((reference) =>
    reference && "name" in reference ? [reference.name] : [],
  );
  return [[...new Set(ids)], [...new Set(names)]];
}

function numberOf(reference: Reference | undefined): number | null {
  return reference && "id" in reference ? reference.id : null;
}
