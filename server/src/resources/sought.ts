import { mayNameStream, streamNames } from "@ents-backend/schemas/stream-name";
import { listReadable } from "../auth/access.ts";
import type { Caller } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { listStreams, type Sensor } from "../timeseries/sensors.ts";

const most = { cells: 100, sensors: 100, series: 1_000 } as const;

const cellsInvalid = defineError(
  "invalid",
  "cells_invalid",
  "cells must be numbers of cells with commas between them, 100 at most",
);
const tooManySensors = defineError(
  "invalid",
  "too_many_sensors",
  "sensors must be {most} names at most, with commas between them",
);
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

/** A sensor that is to be answered; `name` is what the query calls it, or else its usual name. */
export interface Sought {
  readonly id: number;
  readonly cell_id: number;
  readonly name: string;
  readonly unit: string;
}

/**
 * The sensors that a query means, each once, in its order: those that exist, of cells that the caller may read.
 *
 * @param query cells, and the names of sensors; undefined: all of them
 * @throws KnownError when they can't be read, or are too many
 */
export async function findSought(
  { db, reads }: { readonly db: Db; readonly reads: Db },
  caller: Caller,
  { cells, sensors }: { readonly cells: string; readonly sensors?: string },
): Promise<Sought[]> {
  const names = sensors === undefined ? undefined : parseNames(sensors);
  const cellIds = await listReadable(db, caller, parseCells(cells));
  const streams = Map.groupBy(await listStreams(reads, cellIds), ({ cell_id }) => cell_id);
  const sought = cellIds.flatMap((cellId) => pick(streams.get(cellId) ?? [], names));
  if (sought.length > most.series) throw tooManySeries({ count: sought.length, most: most.series });
  return sought;
}

/** The sensors of one cell that have some names; what has two of them goes by the first. */
function pick(sensors: readonly Sensor[], names: readonly string[] | undefined): Sought[] {
  if (!names) return sensors.map((sensor) => toSought(sensor, streamNames(sensor)[0]!));
  const byName = new Map(
    sensors.flatMap((sensor) => streamNames(sensor).map((name) => [name, sensor] as const)),
  );
  const found = new Map<number, Sought>();
  for (const name of names) {
    const sensor = byName.get(name);
    if (sensor && !found.has(sensor.id)) found.set(sensor.id, toSought(sensor, name));
  }
  return [...found.values()];
}

function toSought({ id, cell_id, unit }: Sensor, name: string): Sought {
  return { id, cell_id, name, unit };
}

function parseCells(text: string): number[] {
  const parts = listOf(text);
  if (parts.length > most.cells || !parts.every((part) => /^\d{1,15}$/.test(part)))
    throw cellsInvalid();
  // Numbers that no cell can have are answered like any cell that there isn't.
  return parts.map(Number).filter((id) => id < 2 ** 31);
}

function parseNames(text: string): string[] {
  const names = listOf(text);
  if (names.length > most.sensors) throw tooManySensors({ most: most.sensors });
  const unknown = names.find((name) => !mayNameStream(name));
  if (unknown !== undefined) throw noSuchSensor({ name: JSON.stringify(unknown) });
  return names;
}

/** Each part once. */
function listOf(text: string): string[] {
  return [...new Set(text.split(",").map((part) => part.trim()))];
}
