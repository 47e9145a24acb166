import { powerStreams } from "@ents-backend/schemas/measurement";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Batch, Row, Sighting } from "./batch.ts";
import { powerOf, sumUp, type Sum } from "./sums.ts";

/** Thrown, with nothing stored, when readings were judged by a directory that has changed since. */
export class StaleDirectory extends Error {
  override readonly name = "StaleDirectory";
}

const hour_s = 3600;
const day_s = 24 * hour_s;

/**
 * Stores readings that are all new, of which no half of a power is alone, in one statement.
 *
 * @throws StaleDirectory
 * @throws what `isDuplicate` knows, with nothing stored, when one of them is not new
 */
export async function addReadings(
  db: Db,
  version: number | undefined,
  { rows, instants, sightings }: Batch,
): Promise<void> {
  const all = [...rows, ...instants.flatMap(powerOf)].sort(
    (a, b) => a.sensorId - b.sensorId || a.ts - b.ts,
  );
  const { rows: answers } = await sql<{ stale: boolean }>`
    select stale from add_readings(${version ?? null}, ${columnsOf(all)},
      ${sumsOf(sumUp(all, hour_s))}, ${sumsOf(sumUp(all, day_s))}, ${sightingsOf(sightings)})`.execute(
    db,
  );
  checkFresh(answers[0]!);
}

/**
 * Stores readings whatever is there, in one statement.
 *
 * @returns which of the rows were there, and which of them with another value: their places, from 1
 * @throws StaleDirectory
 */
export async function storeReadings(
  db: Db,
  version: number | undefined,
  { rows, instants, sightings }: Batch,
): Promise<{ readonly old: number[]; readonly conflicting: number[] }> {
  const lone = instants.filter(({ voltage, current }) => !voltage || !current);
  const { v, i } = powerStreams;
  const { rows: answers } = await sql<{ stale: boolean; old: number[]; conflicting: number[] }>`
    select stale, old, conflicting from store_readings(${version ?? null}, ${columnsOf(rows)},
      ${array(instants, ({ powerId }) => powerId)}, ${array(instants, ({ ts }) => ts)},
      ${array(instants, ({ voltageId }) => voltageId)}, ${array(instants, ({ currentId }) => currentId)},
      ${[v.name, v.measurement]}, ${[i.name, i.measurement]}, ${array(lone, ({ powerId }) => powerId)},
      ${sightingsOf(sightings)})`.execute(db);
  checkFresh(answers[0]!);
  return answers[0]!;
}

function checkFresh({ stale }: { readonly stale: boolean | null }): void {
  if (stale) throw new StaleDirectory("the directory has changed");
}

function columnsOf(rows: readonly Row[]) {
  return sql.join([
    array(rows, ({ sensorId }) => sensorId),
    array(rows, ({ ts }) => ts),
    array(rows, ({ value }) => value),
    array(rows, ({ receivedAt }) => receivedAt),
    array(rows, ({ loggerId }) => loggerId),
  ]);
}

function sumsOf(sums: readonly Sum[]) {
  return sql.join([
    array(sums, ({ sensorId }) => sensorId),
    array(sums, ({ bucket }) => bucket),
    array(sums, ({ count }) => count),
    array(sums, ({ numbers }) => numbers),
    array(sums, ({ sum }) => sum),
    array(sums, ({ min }) => min),
    array(sums, ({ max }) => max),
  ]);
}

function sightingsOf(sightings: readonly Sighting[]) {
  return sql.join([
    array(sightings, ({ loggerId }) => loggerId),
    array(sightings, ({ cellId }) => cellId),
    array(sightings, ({ receivedAt }) => receivedAt),
  ]);
}

/** A PostgreSQL array of numbers as text: the driver would quote each of them. */
function array<Item>(
  items: readonly Item[],
  numberOf: (item: Item) => number | null | undefined,
): string {
  let text = "{";
  for (const item of items) text += `${text.length > 1 ? "," : ""}${numberOf(item) ?? "null"}`;
  return `${text}}`;
}
