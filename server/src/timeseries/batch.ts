import { powerStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, powerStream } from "@ents-backend/schemas/sensor";
import type { SensorIds, WantedSensor } from "./sensors.ts";
import type { Message, NewReading } from "./write.ts";

/** Readings as the database takes them. */
export interface Batch {
  /** Ordered by their key: transactions that insert the same keys must take them in the same order. */
  readonly rows: readonly Row[];
  /** Of each row, which of the readings it is. */
  readonly order: readonly number[];
  readonly instants: readonly PowerInstant[];
  /** Whether there is an instant of which only the voltage or the current is here. */
  readonly halvesAreAlone: boolean;
  /** Which logger numbers have written to which cells, registered or not, as far as that is news. */
  readonly sightings: readonly Sighting[];
}

export interface Row {
  readonly sensorId: number;
  /** Unix seconds. */
  readonly ts: number;
  readonly value: number | null;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
  /** Which message of the batch it came in, from 1; negative where that has a fraction; undefined: in none. */
  readonly message?: number | undefined;
}

/** An instant of a cell that a voltage or a current came for. */
export interface PowerInstant {
  readonly powerId: number;
  readonly ts: number;
  /** Undefined: not known here, perhaps because there is none. */
  readonly voltageId: number | undefined;
  readonly currentId: number | undefined;
  voltage: NewReading | undefined;
  current: NewReading | undefined;
}

export interface Sighting {
  readonly key: string;
  readonly loggerId: number;
  readonly cellId: number;
  readonly receivedAt: number;
}

/**
 * Makes of readings what the statements that store them take: rows ordered by key, the instants of power that they are
 * halves of, the loggers that they sight. Sensors that aren't there yet are made.
 *
 * @param sighted keys of sightings that are no news
 * @param sightedAt Unix seconds, before which nothing was sighted, whenever it came
 */
export async function prepare(
  sensors: SensorIds,
  readings: readonly NewReading[],
  sighted: ReadonlySet<string>,
  sightedAt: number,
): Promise<Batch> {
  const halves = readings.filter(isHalfOfPower);
  const ids = await sensors.ensure([...readings, ...halves.map(toPower)]);
  const order = orderByKey(ids, readings);
  const own = ownPowers(readings, ids);
  const instants = instantsOf(halves, ids.slice(readings.length), sensors, own);
  const numberOf = messageNumbers();
  return {
    rows: order.map((at) => toRow(readings[at]!, ids[at]!, numberOf)),
    order,
    instants,
    halvesAreAlone: instants.some(({ voltage, current }) => !voltage || !current),
    sightings: sightingsIn(readings, sighted, sightedAt),
  };
}

function toRow(
  { ts, value, receivedAt, loggerId, message }: NewReading,
  sensorId: number,
  numberOf: (message: Message) => number,
): Row {
  return { sensorId, ts, value, receivedAt, loggerId, message: message && numberOf(message) };
}

/** @returns what gives each message its number when it is first met */
function messageNumbers(): (message: Message) => number {
  const numbers = new Map<Message, number>();
  return (message) => {
    const number = numbers.get(message) ?? numbers.size + 1;
    numbers.set(message, number);
    return message.hasFraction ? -number : number;
  };
}

function isHalfOfPower({ stream }: NewReading): boolean {
  return isSameStream(stream, powerStreams.v) || isSameStream(stream, powerStreams.i);
}

function toPower({ cellId }: NewReading): WantedSensor {
  return { cellId, stream: powerStreams.p, dataType: "float" };
}

function orderByKey(ids: readonly number[], readings: readonly NewReading[]): number[] {
  return readings
    .map((_, at) => at)
    .sort((a, b) => ids[a]! - ids[b]! || readings[a]!.ts - readings[b]!.ts || a - b);
}

/** The instants for which a power comes that needn't be made, as a file has one beside voltage and current. */
function ownPowers(readings: readonly NewReading[], ids: readonly number[]): ReadonlySet<string> {
  const own = new Set<string>();
  readings.forEach(({ stream, ts }, at) => {
    if (isSameStream(stream, powerStream)) own.add(instantKey(ids[at]!, ts));
  });
  return own;
}

function instantKey(powerId: number, ts: number): string {
  return `${powerId} ${ts}`;
}

function instantsOf(
  halves: readonly NewReading[],
  powerIds: readonly number[],
  sensors: SensorIds,
  own: ReadonlySet<string>,
): PowerInstant[] {
  const instants = new Map<string, PowerInstant>();
  halves.forEach((half, at) => {
    const powerId = powerIds[at]!;
    const key = instantKey(powerId, half.ts);
    if (own.has(key)) return;
    let instant = instants.get(key);
    if (!instant) instants.set(key, (instant = emptyInstant(half, powerId, sensors)));
    if (isSameStream(half.stream, powerStreams.v)) instant.voltage ??= half;
    else instant.current ??= half;
  });
  return [...instants.values()];
}

function emptyInstant(
  { cellId, ts }: NewReading,
  powerId: number,
  sensors: SensorIds,
): PowerInstant {
  return {
    powerId,
    ts,
    voltageId: sensors.find(cellId, powerStreams.v),
    currentId: sensors.find(cellId, powerStreams.i),
    voltage: undefined,
    current: undefined,
  };
}

function sightingsIn(
  readings: readonly NewReading[],
  sighted: ReadonlySet<string>,
  sightedAt: number,
): Sighting[] {
  const seen = new Map<string, Sighting>();
  let last: NewReading | undefined;
  for (const reading of readings) {
    const { loggerId, cellId } = reading;
    const receivedAt = Math.max(reading.receivedAt, sightedAt);
    const isAsBefore = last?.loggerId === loggerId && last.cellId === cellId;
    last = reading;
    if (loggerId === null || isAsBefore) continue;
    const key = `${loggerId} ${cellId}`;
    if (!sighted.has(key) && !seen.has(key)) seen.set(key, { key, loggerId, cellId, receivedAt });
  }
  return [...seen.values()].sort((a, b) => a.loggerId - b.loggerId || a.cellId - b.cellId);
}
