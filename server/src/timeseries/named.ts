import { mayNameStream, streamNames } from "@ents-backend/schemas/stream-name";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { listStreams, type Sensor } from "./sensors.ts";

const mostSeries = 1_000;

const noSuchSensor = defineError(
  "invalid",
  "unknown_sensor",
  "{name} can't be a sensor: send a SensorType (BME280_TEMP), power.v, teros12.vwc, or name.measurement",
);
const tooManySeries = defineError(
  "invalid",
  "too_many_series",
  "these are {count} series, and one answer has {most} at most: ask for fewer cells or sensors",
);

/** A sensor that is asked for. */
export interface NamedSensor extends Sensor {
  /** What the query calls it, or else its usual name. */
  readonly called: string;
}

/**
 * The sensors of some cells that have some names, each once, in the order of the cells and then of the names; undefined:
 * all of them.
 *
 * @throws KnownError when they are too many, or a name can't be one
 */
export async function listNamed(
  db: Db,
  cellIds: readonly number[],
  names: readonly string[] | undefined,
): Promise<NamedSensor[]> {
  const unknown = names?.find((name) => !mayNameStream(name));
  if (unknown !== undefined) throw noSuchSensor({ name: JSON.stringify(unknown) });
  const streams = Map.groupBy(await listStreams(db, cellIds), ({ cell_id }) => cell_id);
  const named = cellIds.flatMap((cellId) => pick(streams.get(cellId) ?? [], names));
  if (named.length > mostSeries) throw tooManySeries({ count: named.length, most: mostSeries });
  return named;
}

/** The sensors of one cell that have some names; what has two of them goes by the first. */
function pick(sensors: readonly Sensor[], names: readonly string[] | undefined): NamedSensor[] {
  if (!names) return sensors.map((sensor) => ({ ...sensor, called: streamNames(sensor)[0]! }));
  const byName = new Map(
    sensors.flatMap((sensor) => streamNames(sensor).map((name) => [name, sensor] as const)),
  );
  const found = new Map<number, NamedSensor>();
  for (const name of names) {
    const sensor = byName.get(name);
    if (sensor && !found.has(sensor.id)) found.set(sensor.id, { ...sensor, called: name });
  }
  return [...found.values()];
}
