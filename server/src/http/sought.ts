import { listReadable } from "../auth/access.ts";
import type { Caller } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { listNamed } from "../timeseries/named.ts";

const most = { cells: 100, sensors: 100 } as const;

const cellsInvalid = defineError(
  "invalid",
  "cells_invalid",
  "cells must be numbers of cells with commas between them, {most} at most",
);
const tooManySensors = defineError(
  "invalid",
  "too_many_sensors",
  "sensors must be {most} names at most, with commas between them",
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
  const cellIds = await listReadable(db, caller, parsePossibleCells(cells));
  const named = await listNamed(reads, cellIds, names);
  return named.map(({ id, cell_id, called: name, unit }) => ({ id, cell_id, name, unit }));
}

/**
 * The numbers of cells in a query, each once.
 *
 * @throws KnownError when they can't be read, or are too many
 */
export function parseCells(text: string, mostOfThem: number = most.cells): number[] {
  const parts = listOf(text);
  if (parts.length > mostOfThem || !parts.every((part) => /^\d{1,15}$/.test(part)))
    throw cellsInvalid({ most: mostOfThem });
  return [...new Set(parts.map(Number))];
}

/** The same without those that no cell can have, which are answered like any cell that there isn't. */
export function parsePossibleCells(text: string, mostOfThem?: number): number[] {
  return parseCells(text, mostOfThem).filter((id) => id < 2 ** 31);
}

/**
 * The names of sensors in a query, each once.
 *
 * @throws KnownError when they are too many
 */
export function parseNames(text: string): string[] {
  const names = listOf(text);
  if (names.length > most.sensors) throw tooManySensors({ most: most.sensors });
  return names;
}

/** Each part once. */
function listOf(text: string): string[] {
  return [...new Set(text.split(",").map((part) => part.trim()))];
}
