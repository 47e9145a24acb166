/** Whole numbers are "int", all others "float". */
export type DataType = "int" | "float";

/** What a stream of readings is called and measured in. */
export interface Stream {
  /** The sensor's name in the API: a version-2 SensorType, or a version-1 message name. */
  readonly name: string;
  readonly measurement: string;
  /** The unit that readings are stored and answered in. */
  readonly unit: string;
}

/** A version-2 sensor type: `number` is what stands on the wire. */
export interface SensorType extends Stream {
  readonly number: number;
}

/**
 * Every sensor type that a version-2 message may carry. A new sensor is a new row here and nothing else.
 *
 * Source: the hardware's SensorType enumeration and the unit that each value arrives in.
 */
export const sensorTypes = [
  { number: 1, name: "POWER_VOLTAGE", measurement: "Voltage", unit: "mV" },
  { number: 2, name: "POWER_CURRENT", measurement: "Current", unit: "uA" },
  { number: 3, name: "TEROS12_VWC", measurement: "Volumetric Water Content (Raw)", unit: "raw" },
  { number: 4, name: "TEROS12_VWC_ADJ", measurement: "Volumetric Water Content", unit: "%" },
  { number: 5, name: "TEROS12_TEMP", measurement: "Temperature", unit: "C" },
  { number: 6, name: "TEROS12_EC", measurement: "Electrical Conductivity", unit: "uS/cm" },
  { number: 7, name: "PHYTOS31_VOLTAGE", measurement: "Voltage", unit: "mV" },
  { number: 8, name: "PHYTOS31_LEAF_WETNESS", measurement: "Leaf Wetness", unit: "%" },
  { number: 9, name: "BME280_PRESSURE", measurement: "Pressure", unit: "kPa" },
  { number: 10, name: "BME280_TEMP", measurement: "Temperature", unit: "C" },
  { number: 11, name: "BME280_HUMIDITY", measurement: "Humidity", unit: "%" },
  { number: 12, name: "TEROS21_MATRIC_POT", measurement: "Matric Potential", unit: "kPa" },
  { number: 13, name: "TEROS21_TEMP", measurement: "Temperature", unit: "C" },
  { number: 14, name: "SEN0308_VOLTAGE", measurement: "Voltage", unit: "mV" },
  { number: 15, name: "SEN0308_HUMIDITY", measurement: "Humidity", unit: "%" },
  { number: 16, name: "SEN0257_VOLTAGE", measurement: "Voltage", unit: "mV" },
  { number: 17, name: "SEN0257_PRESSURE", measurement: "Pressure", unit: "kPa" },
  { number: 18, name: "YFS210C_FLOW", measurement: "Flow Rate", unit: "L/min" },
  { number: 19, name: "PCAP02_CAPACITANCE", measurement: "Capacitance Ratio", unit: "pF/pF" },
  { number: 20, name: "D10_FLOW", measurement: "Flow rate", unit: "gal/min" },
  { number: 21, name: "D10_VOLUME_ELAPSED", measurement: "Volume Elapsed", unit: "gal" },
  { number: 22, name: "D10_TIME_ELAPSED", measurement: "Time Elapsed", unit: "s" },
  { number: 23, name: "WATERMARK200SS_SOIL_TENSION", measurement: "Soil Tension", unit: "kPa" },
  {
    number: 24,
    name: "WATERMARK200TS_SOIL_TEMPERATURE",
    measurement: "Soil Temperature",
    unit: "C",
  },
  { number: 25, name: "EDU0157_WIND_SPEED", measurement: "Wind Speed", unit: "m/s" },
  {
    number: 26,
    name: "EDU0157_WIND_DIRECTION",
    measurement: "Wind Direction",
    unit: "degrees E of N",
  },
  { number: 27, name: "EDU0157_ALTITUDE", measurement: "Altitude", unit: "m" },
  { number: 28, name: "EDU0157_PRESSURE", measurement: "Pressure", unit: "hPa" },
  { number: 29, name: "EDU0157_TEMP", measurement: "Temperature", unit: "C" },
  { number: 30, name: "EDU0157_HUMIDITY", measurement: "Humidity", unit: "%" },
  { number: 31, name: "ALSMPM2F_WATER_LEVEL", measurement: "Water Level", unit: "m" },
  { number: 32, name: "ALSMPM2F_VOLTAGE", measurement: "Voltage", unit: "V" },
] as const satisfies readonly SensorType[];

export type SensorTypeName = (typeof sensorTypes)[number]["name"];

const byName = new Map<string, SensorType>(sensorTypes.map((type) => [type.name, type]));
const byNumber = new Map<number, SensorType>(sensorTypes.map((type) => [type.number, type]));

/** The sensor type with this name; every name of the table has one. */
export function sensorType(name: SensorTypeName): SensorType {
  return byName.get(name)!;
}

/** The sensor type with this name, if there is one. */
export function findSensorType(name: string): SensorType | undefined {
  return byName.get(name);
}

/** The sensor type with this number on the wire, if there is one. */
export function findSensorTypeByNumber(number: number): SensorType | undefined {
  return byNumber.get(number);
}

/** Whether two streams of one cell are the same. */
export function isSameStream(
  a: Pick<Stream, "name" | "measurement">,
  b: Pick<Stream, "name" | "measurement">,
): boolean {
  return a.name === b.name && a.measurement === b.measurement;
}

/**
 * Electrical power, p = v·i of one instant: kept beside the voltage and the current it is made of, because
 * the mean of the products is not the product of the means.
 */
export const powerStream = {
  name: "POWER",
  measurement: "Power",
  unit: "uW",
} as const satisfies Stream;
