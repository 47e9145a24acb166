import { findMeasurementType } from "@ents-backend/schemas/measurement";
import { findSensorType, sensorTypes, type SensorType } from "@ents-backend/schemas/sensor";
import {
  encodableTypes,
  encodeMeasurement,
  encodeRepeated,
  type Origin,
} from "../../ingest/codecs/encode.ts";
import { valueAt, type Signal } from "./signal.ts";

/** What a node measures: sensor types of version 2, and measurement types of version 1. */
interface Sensors {
  readonly version2: readonly SensorType[];
  readonly version1: readonly string[];
}

/** A device that measures for one cell. */
interface Node {
  readonly cellId: number;
  readonly loggerId: number;
}

/** One message, as it goes over the wire. */
export interface Upload extends Origin {
  readonly version: 1 | 2;
  readonly body: Uint8Array;
  /** How many values it holds. */
  readonly readings: number;
}

/** As many as the hardware packs into one message. */
const mostPerMessage = 16;

/** The names that sensors have. */
export const sensorNames = {
  version2: sensorTypes.map(({ name }) => name),
  version1: encodableTypes,
} as const satisfies Readonly<Record<string, readonly string[]>>;

const groups: Readonly<Record<string, readonly string[]>> = {
  ALL: sensorNames.version2,
  "ALL-V1": sensorNames.version1,
};

const encodable = new Map(encodableTypes.map((type) => [type.toUpperCase(), type]));

/** Whether a name stands for sensors, in whatever letter case. */
export function isSensorName(name: string): boolean {
  const key = name.toUpperCase();
  return Object.hasOwn(groups, key) || encodable.has(key) || findSensorType(key) !== undefined;
}

/** The sensors that some names stand for, each once. */
export function findSensors(names: readonly string[]): Sensors {
  const all = names.flatMap((name) => groups[name.toUpperCase()] ?? [name]);
  const keys = new Set(all.map((name) => name.toUpperCase()));
  return {
    version2: [...keys].flatMap((key) => findSensorType(key) ?? []),
    version1: [...keys].flatMap((key) => encodable.get(key) ?? []),
  };
}

/** How many messages a node with these sensors sends at each instant. */
export function countUploads({ version1, version2 }: Sensors): number {
  return version1.length + Math.ceil(version2.length / mostPerMessage);
}

/** What some nodes send, instant by instant. */
export function* makeUploads(
  nodes: readonly Node[],
  sensors: Sensors,
  signal: Signal,
  instants: Iterable<number>,
): Generator<Upload> {
  for (const ts of instants)
    for (const node of nodes) {
      yield* makeRepeated({ ...node, ts }, sensors.version2, signal);
      for (const type of sensors.version1) yield makeMeasurement({ ...node, ts }, type, signal);
    }
}

function* makeRepeated(
  origin: Origin,
  types: readonly SensorType[],
  signal: Signal,
): Generator<Upload> {
  for (let start = 0; start < types.length; start += mostPerMessage) {
    const readings = types
      .slice(start, start + mostPerMessage)
      .map((type) => ({ type, value: valueAt(signal, origin.cellId, type, origin.ts) }));
    yield {
      ...origin,
      version: 2,
      body: encodeRepeated(origin, readings),
      readings: readings.length,
    };
  }
}

function makeMeasurement(origin: Origin, type: string, signal: Signal): Upload {
  const values = findMeasurementType(type)!.map(({ stream }) =>
    valueAt(signal, origin.cellId, stream, origin.ts),
  );
  return {
    ...origin,
    version: 1,
    body: encodeMeasurement(origin, type, values),
    readings: values.length,
  };
}
