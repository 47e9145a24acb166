import { powerStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { retryCollisions } from "../db/transact.ts";
import { SensorIds, type WantedSensor } from "./sensors.ts";

/** A reading that has its place: its cell exists and takes it. */
export interface NewReading {
  readonly cellId: number;
  readonly stream: Stream;
  readonly dataType: DataType;
  /** Unix seconds, by the device's clock. */
  readonly ts: number;
  /** In the stream's unit; null when the device sent no number. */
  readonly value: number | null;
  /** Unix seconds, by the server's clock. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
}

/** How many of the readings were new, were there already, or had another value for their instant. */
export interface Written {
  readonly stored: number;
  readonly repeated: number;
  readonly conflicting: number;
}

/** What a writer knows from before, and what that is valid for. */
export interface Knowledge {
  readonly sensors: SensorIds;
  /** The directory's version by which the readings were judged; undefined when that doesn't matter. */
  readonly version: number | undefined;
}

/** Thrown, with nothing stored, when readings were judged by a directory that has changed since. */
export class StaleDirectory extends Error {
  override readonly name = "StaleDirectory";
}

/** Stores readings, all or none, as `writeGroups` does. */
export async function writeReadings(db: Db, readings: readonly NewReading[]): Promise<Written> {
  const knowledge = { sensors: new SensorIds(db), version: undefined };
  const [written] = await writeGroups(db, [readings], knowledge);
  return written!;
}

/**
 * Stores groups of readings, all or none, in one transaction. (sensor, instant) is the key: what comes again
 * changes nothing, and of two values the first stays while the second is kept beside it, as a conflict. Power, the
 * product of a voltage and a current, is stored as soon as both halves of an instant are there. Rollups by hour and
 * day follow from the rows that were new.
 *
 * Answers after the commit.
 *
 * @returns what became of each group, in order
 * @throws StaleDirectory
 */
export async function writeGroups(
  db: Db,
  groups: readonly (readonly NewReading[])[],
  { sensors, version }: Knowledge,
): Promise<Written[]> {
  const readings = groups.flat();
  if (readings.length === 0) return groups.map(() => ({ stored: 0, repeated: 0, conflicting: 0 }));
  const halves = readings.filter(isHalfOfPower);
  const powers = halves.map(toPower);
  const ids = await sensors.ensure([...readings, ...powers]);
  // Transactions that insert the same keys must take them in the same order, or they wait for each other.
  const order = orderByKey(ids, readings);
  const upload = {
    rows: order.map((at) => ({ ...readings[at]!, sensorId: ids[at]! })),
    instants: instantsOf(halves, ids.slice(readings.length), sensors),
    sightings: sightingsIn(readings),
  };
  const known = await retryCollisions(async () => await store(db, version, upload));
  return countByGroup(
    groups,
    new Set(known.old.map((at) => order[at]!)),
    new Set(known.conflicting.map((at) => order[at]!)),
  );
}

function toPower({ cellId }: NewReading): WantedSensor {
  return { cellId, stream: powerStreams.p, dataType: "float" };
}

function orderByKey(ids: readonly number[], readings: readonly NewReading[]): number[] {
  return readings
    .map((_, at) => at)
    .sort((a, b) => ids[a]! - ids[b]! || readings[a]!.ts - readings[b]!.ts || a - b);
}

interface Row extends NewReading {
  readonly sensorId: number;
}

/** An instant of a cell that a voltage or a current came for. */
interface PowerInstant {
  readonly powerId: number;
  readonly ts: number;
  /** Undefined: not known here, perhaps because there is none. */
  readonly voltageId: number | undefined;
  readonly currentId: number | undefined;
  /** Whether the other half didn't come with it. */
  readonly alone: boolean;
}

interface Sighting {
  readonly loggerId: number;
  readonly cellId: number;
  readonly receivedAt: number;
}

/** @returns which of the rows were there, and which of them with another value */
async function store(
  db: Db,
  version: number | undefined,
  {
    rows,
    instants,
    sightings,
  }: {
    readonly rows: readonly Row[];
    readonly instants: readonly PowerInstant[];
    readonly sightings: readonly Sighting[];
  },
): Promise<{ old: number[]; conflicting: number[] }> {
  const lone = new Set(instants.filter(({ alone }) => alone).map(({ powerId }) => powerId));
  const { v, i } = powerStreams;
  const { rows: answers } = await sql<{ stale: boolean; old: number[]; conflicting: number[] }>`
    select stale, old, conflicting from store_readings(
      ${version ?? null},
      ${array(rows, (row) => row.sensorId)}, ${array(rows, (row) => row.ts)},
      ${array(rows, (row) => row.value)}, ${array(rows, (row) => row.receivedAt)},
      ${array(rows, (row) => row.loggerId)},
      ${array(instants, (instant) => instant.powerId)}, ${array(instants, (instant) => instant.ts)},
      ${array(instants, (instant) => instant.voltageId)}, ${array(instants, (instant) => instant.currentId)},
      ${[v.name, v.measurement]}, ${[i.name, i.measurement]}, ${array([...lone], (id) => id)},
      ${array(sightings, (one) => one.loggerId)}, ${array(sightings, (one) => one.cellId)},
      ${array(sightings, (one) => one.receivedAt)}
    )`.execute(db);
  const { stale, old, conflicting } = answers[0]!;
  if (stale) throw new StaleDirectory("the directory has changed");
  return { old: old.map((nth) => nth - 1), conflicting: conflicting.map((nth) => nth - 1) };
}

/** A PostgreSQL array of numbers as text: the driver would quote each of them. */
function array<Item>(
  items: readonly Item[],
  numberOf: (item: Item) => number | null | undefined,
): string {
  return `{${items.map((item) => numberOf(item) ?? "null").join()}}`;
}

function isHalfOfPower({ stream }: NewReading): boolean {
  return isSameStream(stream, powerStreams.v) || isSameStream(stream, powerStreams.i);
}

function instantsOf(
  halves: readonly NewReading[],
  powerIds: readonly number[],
  sensors: SensorIds,
): PowerInstant[] {
  const instants = new Map<string, { at: number; streams: Set<string> }>();
  halves.forEach(({ ts, stream }, at) => {
    const key = `${powerIds[at]!} ${ts}`;
    const known = instants.get(key);
    if (known) known.streams.add(stream.name);
    else instants.set(key, { at, streams: new Set([stream.name]) });
  });
  return [...instants.values()].map(({ at, streams }) => {
    const { cellId, ts } = halves[at]!;
    return {
      powerId: powerIds[at]!,
      ts,
      voltageId: sensors.find(cellId, powerStreams.v),
      currentId: sensors.find(cellId, powerStreams.i),
      alone: streams.size < 2,
    };
  });
}

/** Which logger numbers have written to which cells, registered or not. */
function sightingsIn(readings: readonly NewReading[]): Sighting[] {
  const seen = new Map<string, Sighting>();
  for (const { loggerId, cellId, receivedAt } of readings) {
    const key = `${loggerId} ${cellId}`;
    if (loggerId !== null && !seen.has(key)) seen.set(key, { loggerId, cellId, receivedAt });
  }
  return [...seen.values()].sort((a, b) => a.loggerId - b.loggerId || a.cellId - b.cellId);
}

function countByGroup(
  groups: readonly (readonly NewReading[])[],
  old: ReadonlySet<number>,
  conflicting: ReadonlySet<number>,
): Written[] {
  let start = 0;
  return groups.map((group) => {
    const places = group.map((_, at) => start + at);
    start += group.length;
    const inGroup = (some: ReadonlySet<number>) => places.filter((at) => some.has(at)).length;
    const conflicts = inGroup(conflicting);
    const known = inGroup(old);
    return {
      stored: group.length - known,
      repeated: known - conflicts,
      conflicting: conflicts,
    };
  });
}
