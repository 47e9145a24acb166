import {
  measurementTypes,
  powerStreams,
  terosStreams,
  waterPotentialStream,
} from "./measurement.ts";
import { findSensorType, isSameStream, powerStream, sensorTypes, type Stream } from "./sensor.ts";

/** Streams that have a short name: that of the path that shows them side by side, and of their place there. */
const shortNames: readonly (readonly [name: string, stream: Stream])[] = [
  ["power.v", powerStreams.v],
  ["power.i", powerStreams.i],
  ["power.p", powerStreams.p],
  ["teros12.vwc", terosStreams.vwc],
  ["teros12.temp", terosStreams.temp],
  ["teros12.ec", terosStreams.ec],
  ["teros12.raw_vwc", terosStreams.raw_vwc],
];

/**
 * What a query may call a stream, the usual name first: a short one (`power.v`), its SensorType (`BME280_TEMP`), its
 * name and measurement with a dot between them (`bme280.temperature`).
 */
export function streamNames(stream: Pick<Stream, "name" | "measurement">): string[] {
  const short = shortNames.filter(([, named]) => isSameStream(named, stream));
  const type = findSensorType(stream.name);
  return [
    ...short.map(([name]) => name),
    ...(type && isSameStream(type, stream) ? [type.name] : []),
    `${stream.name}.${stream.measurement}`,
  ];
}

/** Whether a text may be the name of a stream, of whatever sensors there are. */
export function mayNameStream(text: string): boolean {
  return text.includes(".") || findSensorType(text) !== undefined;
}

const namedStreams: readonly Stream[] = [
  ...sensorTypes,
  powerStream,
  waterPotentialStream,
  ...Object.values(measurementTypes).flatMap((fields) => fields.map(({ stream }) => stream)),
];
const byName = new Map(
  namedStreams.flatMap(({ name, measurement, unit }) =>
    streamNames({ name, measurement }).map((known) => [known, { name, measurement, unit }]),
  ),
);

/** The stream that has a name whatever sensors there are; undefined: none has, or one of somebody's own. */
export function findNamedStream(text: string): Stream | undefined {
  return byName.get(text);
}
