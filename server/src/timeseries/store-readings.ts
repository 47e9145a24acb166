import { powerStreams } from "@ents-backend/schemas/measurement";
import { float8s, int4s, int8s } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";
import { prepared } from "../db/prepared.ts";
import type { Batch, Row, Sighting } from "./batch.ts";
import { powerOf, sumUp, type Sum } from "./sums.ts";

/** Thrown, with nothing stored, when readings were judged by a directory that has changed since. */
export class StaleDirectory extends Error {
  override readonly name = "StaleDirectory";
}

/** What the statement says of the log of what rollups have to learn: whether it is time to fold it into them. */
interface Told {
  readonly stale: boolean | null;
  readonly fold_due: boolean | null;
}

const add = prepared<Told>(`select stale, fold_due from add_readings(${places(17)})`);
const store = prepared<Told & { readonly old: number[]; readonly conflicting: number[] }>(
  `select stale, fold_due, old, conflicting from store_readings(${places(17)})`,
);

function places(count: number): string {
  return Array.from({ length: count }, (_, at) => `$${at + 1}`).join(", ");
}

/**
 * Stores readings that are all new, of which no half of a power is alone, in one statement.
 *
 * @returns whether it is time to fold what was stored into the rollups
 * @throws StaleDirectory
 * @throws what `isDuplicate` knows, with nothing stored, when one of them is not new
 */
export async function addReadings(
  db: Db,
  version: number | undefined,
  { rows, instants, sightings }: Batch,
): Promise<boolean> {
  const all = [...rows, ...instants.flatMap(powerOf)].sort(
    (a, b) => a.sensorId - b.sensorId || a.ts - b.ts,
  );
  const { rows: answers } = await add(db, [
    version ?? null,
    ...columnsOf(all),
    ...sumsOf(sumUp(all)),
    ...sightingsOf(sightings),
    messagesOf(all),
  ]);
  return checkFresh(answers[0]!).foldDue;
}

/**
 * Stores readings whatever is there, in one statement.
 *
 * @returns which of the rows were there, and which of them with another value: their places, from 1; and whether it is
 *   time to fold
 * @throws StaleDirectory
 */
export async function storeReadings(
  db: Db,
  version: number | undefined,
  { rows, instants, sightings }: Batch,
): Promise<{
  readonly old: number[];
  readonly conflicting: number[];
  readonly foldDue: boolean;
}> {
  const lone = instants.filter(({ voltage, current }) => !voltage || !current);
  const { v, i } = powerStreams;
  const { rows: answers } = await store(db, [
    version ?? null,
    ...columnsOf(rows),
    int4s(instants, ({ powerId }) => powerId),
    float8s(instants, ({ ts }) => ts),
    int4s(instants, ({ voltageId }) => voltageId),
    int4s(instants, ({ currentId }) => currentId),
    [v.name, v.measurement],
    [i.name, i.measurement],
    int4s(lone, ({ powerId }) => powerId),
    ...sightingsOf(sightings),
    messagesOf(rows),
  ]);
  return checkFresh(answers[0]!);
}

function checkFresh<Answer extends Told>(answer: Answer): Answer & { readonly foldDue: boolean } {
  if (answer.stale) throw new StaleDirectory("the directory has changed");
  return { ...answer, foldDue: answer.fold_due ?? false };
}

function columnsOf(rows: readonly Row[]): Buffer[] {
  return [
    int4s(rows, ({ sensorId }) => sensorId),
    float8s(rows, ({ ts }) => ts),
    float8s(rows, ({ value }) => value),
    float8s(rows, ({ receivedAt }) => receivedAt),
    int8s(rows, ({ loggerId }) => loggerId),
  ];
}

function sumsOf(sums: readonly Sum[]): Buffer[] {
  return [
    int4s(sums, ({ sensorId }) => sensorId),
    float8s(sums, ({ hour }) => hour),
    int4s(sums, ({ readings }) => readings),
    int4s(sums, ({ count }) => count),
    float8s(sums, ({ sum }) => sum),
    float8s(sums, ({ min }) => min),
    float8s(sums, ({ max }) => max),
  ];
}

function sightingsOf(sightings: readonly Sighting[]): Buffer[] {
  return [
    int8s(sightings, ({ loggerId }) => loggerId),
    int4s(sightings, ({ cellId }) => cellId),
    float8s(sightings, ({ receivedAt }) => receivedAt),
  ];
}

/** Most batches have no message of several values. */
function messagesOf(rows: readonly Row[]): Buffer | null {
  if (rows.every(({ message }) => message === undefined)) return null;
  return int4s(rows, ({ message }) => message ?? 0);
}
