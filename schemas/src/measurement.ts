import {
  powerStream,
  sensorType,
  type DataType,
  type SensorTypeName,
  type Stream,
} from "./sensor.ts";

/** One value of a version-1 measurement, and the stream it belongs to. */
export interface MeasurementField {
  /** The protobuf field's name in lowerCamelCase, which is its key in plain JSON too. */
  readonly field: string;
  readonly stream: Stream;
  readonly dataType: DataType;
  /** Stored value = field × factor. */
  readonly factor: number;
  /** In protobuf the field is an integer: this many to one unit. */
  readonly wireDivisor: number;
  /** Whether plain JSON may leave it out, as the scripts do that were there before it. */
  readonly optional: boolean;
}

/**
 * The version-1 measurements: message → values. `power` and `teros12` are the same physical streams as the
 * POWER_* and TEROS12_* types of version 2 and go to those, in their units.
 *
 * Source: the hardware's version-1 messages, and the measurement names and units of the API.
 */
export const measurementTypes: Readonly<Record<string, readonly MeasurementField[]>> = {
  power: [
    same("voltage", "POWER_VOLTAGE", { factor: 1e3 }),
    same("current", "POWER_CURRENT", { factor: 1e6 }),
  ],
  teros12: [
    same("vwcRaw", "TEROS12_VWC"),
    same("vwcAdj", "TEROS12_VWC_ADJ"),
    same("temp", "TEROS12_TEMP"),
    same("ec", "TEROS12_EC", { dataType: "int" }),
  ],
  phytos31: [own("phytos31", "voltage", "V"), own("phytos31", "leafWetness", "?")],
  bme280: [
    own("bme280", "pressure", "hPa", { wireDivisor: 10 }),
    own("bme280", "temperature", "C", { wireDivisor: 100 }),
    own("bme280", "humidity", "%", { wireDivisor: 1000 }),
  ],
  teros21: [own("teros21", "matricPot", "kPa"), own("teros21", "temp", "C")],
  sen0308: [own("sen0308", "voltage", "V"), own("sen0308", "humidity", "%")],
  sen0257: [own("sen0257", "pressure", "kPa"), own("sen0257", "voltage", "V")],
  yfs210c: [own("yfs210c", "flow", "L/Min")],
  pcap02: [own("pcap02", "capacitance", "Farads", { measurement: "Capacitance" })],
  d10: [
    own("d10", "flow", "G/Min"),
    own("d10", "volumeElapsed", "gal", { dataType: "int", optional: true }),
    own("d10", "timeElapsed", "s", { dataType: "int", optional: true }),
  ],
  watermark200ss: [own("watermark200ss", "soilTension", "kPa")],
  watermark200ts: [own("watermark200ts", "temperature", "C")],
  edu0157: [
    own("edu0157", "windSpeed", "m/s"),
    own("edu0157", "windDirection", "degrees E of N", { dataType: "int" }),
    own("edu0157", "altitude", "m"),
    own("edu0157", "pressure", "hPa"),
    own("edu0157", "temperature", "C"),
    own("edu0157", "humidity", "%"),
  ],
  waterLevel: [own("waterLevel", "meters", "m"), own("waterLevel", "voltage", "V")],
  /** Only ever sent as JSON. */
  co2: [
    own("co2", "CO2", "PPM", { dataType: "int" }),
    own("co2", "state", "Boolean", { dataType: "int" }),
    own("co2", "Photoresistivity", "Ohms", { dataType: "int" }),
  ],
};

/** A field of a version-1 measurement, and of which type it is. */
interface TypedField extends MeasurementField {
  readonly type: string;
}

const fieldsByStream = new Map(
  Object.entries(measurementTypes).flatMap(([type, fields]) =>
    fields.map((field): [string, TypedField] => [streamKey(field.stream), { ...field, type }]),
  ),
);

function streamKey({ name, measurement }: Pick<Stream, "name" | "measurement">): string {
  return `${name}\0${measurement}`;
}

/** The version-1 field that a stream is filled by, if there is one. */
export function findField(stream: Pick<Stream, "name" | "measurement">): TypedField | undefined {
  return fieldsByStream.get(streamKey(stream));
}

/** The fields of a version-1 measurement, if the type is one. */
export function findMeasurementType(type: string): readonly MeasurementField[] | undefined {
  return Object.hasOwn(measurementTypes, type) ? measurementTypes[type] : undefined;
}

/** Water potential of the by-name TEROS form, in kPa: a value that no other form has. */
export const waterPotentialStream = {
  name: "teros12",
  measurement: "waterPot",
  unit: "kPa",
} as const satisfies Stream;

/** The streams that `GET /power` is a view of. */
export const powerStreams = {
  v: sensorType("POWER_VOLTAGE"),
  i: sensorType("POWER_CURRENT"),
  p: powerStream,
} as const;

/** The streams that `GET /teros` is a view of. */
export const terosStreams = {
  vwc: sensorType("TEROS12_VWC_ADJ"),
  temp: sensorType("TEROS12_TEMP"),
  ec: sensorType("TEROS12_EC"),
  raw_vwc: sensorType("TEROS12_VWC"),
} as const;

interface Details {
  measurement?: string;
  dataType?: DataType;
  factor?: number;
  wireDivisor?: number;
  optional?: boolean;
}

function own(name: string, field: string, unit: string, details: Details = {}): MeasurementField {
  return describe(field, { name, measurement: details.measurement ?? field, unit }, details);
}

function same(field: string, type: SensorTypeName, details: Details = {}): MeasurementField {
  const { name, measurement, unit } = sensorType(type);
  return describe(field, { name, measurement, unit }, details);
}

function describe(field: string, stream: Stream, details: Details): MeasurementField {
  return {
    field,
    stream,
    dataType: details.dataType ?? "float",
    factor: details.factor ?? 1,
    wireDivisor: details.wireDivisor ?? 1,
    optional: details.optional ?? false,
  };
}
