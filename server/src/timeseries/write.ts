import { powerStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { retryCollisions } from "../db/transact.ts";
import { ensureSensors } from "./sensors.ts";

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

/** Stores readings, all or none, as `writeGroups` does. */
export async function writeReadings(db: Db, readings: readonly NewReading[]): Promise<Written> {
  const [written] = await writeGroups(db, [readings]);
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
 */
export async function writeGroups(
  db: Db,
  groups: readonly (readonly NewReading[])[],
): Promise<Written[]> {
  const readings = groups.flat();
  if (readings.length === 0) return groups.map(() => ({ stored: 0, repeated: 0, conflicting: 0 }));
  const halves = readings.filter(isHalfOfPower);
  const known = await retryCollisions(async () => {
    const [ids, powerIds] = await findSensorIds(db, readings, halves);
    // Transactions that insert the same keys must take them in the same order, or they wait for each other.
    const order = orderByKey(ids, readings);
    const { old, conflicting } = await store(db, {
      rows: order.map((at) => ({ ...readings[at]!, sensorId: ids[at]! })),
      instants: instantsOf(halves, powerIds),
      sightings: sightingsIn(readings),
    });
    return { old: old.map((at) => order[at]!), conflicting: conflicting.map((at) => order[at]!) };
  });
  return countByGroup(groups, new Set(known.old), new Set(known.conflicting));
}

/** The numbers of the readings' sensors, and of the power that each half belongs to. */
async function findSensorIds(
  db: Db,
  readings: readonly NewReading[],
  halves: readonly NewReading[],
): Promise<[ofReadings: number[], ofPower: number[]]> {
  const powers = halves.map(
    ({ cellId }) => ({ cellId, stream: powerStreams.p, dataType: "float" }) as const,
  );
  const ids = await ensureSensors(db, [...readings, ...powers]);
  return [ids.slice(0, readings.length), ids.slice(readings.length)];
}

function orderByKey(ids: readonly number[], readings: readonly NewReading[]): number[] {
  return ids
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
  const result = await sql<{ old: number[]; conflicting: number[] }>`
    select old, conflicting from store_readings(
      ${rows.map(({ sensorId }) => sensorId)}, ${rows.map(({ ts }) => ts)}, ${rows.map(({ value }) => value)},
      ${rows.map(({ receivedAt }) => receivedAt)}, ${rows.map(({ loggerId }) => loggerId)},
      ${instants.map(({ powerId }) => powerId)}, ${instants.map(({ ts }) => ts)},
      ${[v.name, v.measurement]}, ${[i.name, i.measurement]}, ${[...lone]},
      ${sightings.map(({ loggerId }) => loggerId)}, ${sightings.map(({ cellId }) => cellId)},
      ${sightings.map(({ receivedAt }) => receivedAt)}
    )`.execute(db);
  const { old, conflicting } = result.rows[0]!;
  return { old: old.map((nth) => nth - 1), conflicting: conflicting.map((nth) => nth - 1) };
}

function isHalfOfPower({ stream }: NewReading): boolean {
  return isSameStream(stream, powerStreams.v) || isSameStream(stream, powerStreams.i);
}

function instantsOf(halves: readonly NewReading[], powerIds: readonly number[]): PowerInstant[] {
  const names = new Map<string, Set<string>>();
  const instants = new Map<string, { powerId: number; ts: number }>();
  halves.forEach(({ ts, stream }, at) => {
    const key = `${powerIds[at]!} ${ts}`;
    instants.set(key, { powerId: powerIds[at]!, ts });
    names.set(key, (names.get(key) ?? new Set()).add(stream.name));
  });
  return [...instants].map(([key, instant]) => ({ ...instant, alone: names.get(key)!.size < 2 }));
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
