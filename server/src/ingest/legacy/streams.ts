import {
  findMeasurementType,
  powerStreams,
  terosStreams,
  waterPotentialStream,
} from "@ents-backend/schemas/measurement";
import {
  findSensorType,
  isSameStream,
  powerStream,
  type DataType,
  type Stream,
} from "@ents-backend/schemas/sensor";
import type { OldSensor } from "../../store/legacy/old-directory.ts";
import type { Series } from "../../store/legacy/series.ts";

/** What a column of power_data or teros_data is here. */
interface Quantity {
  readonly table: "power_data" | "teros_data";
  readonly column: string;
  readonly stream: Stream;
  readonly dataType: DataType;
  readonly factor: number;
}

const quantities: readonly Quantity[] = [
  quantity("power_data", "voltage", powerStreams.v, { factor: 1e3 }),
  quantity("power_data", "current", powerStreams.i, { factor: 1e6 }),
  quantity("teros_data", "vwc", terosStreams.vwc),
  quantity("teros_data", "raw_vwc", terosStreams.raw_vwc),
  quantity("teros_data", "temp", terosStreams.temp),
  quantity("teros_data", "ec", terosStreams.ec, { dataType: "int" }),
  quantity("teros_data", "water_pot", waterPotentialStream),
];

/** The series that a cell's columns of power_data and teros_data are, as far as the old database has them. */
export function columnSeries(
  cellId: number,
  has: (table: Quantity["table"], column: string) => boolean,
): Series[] {
  return quantities
    .filter(({ table, column }) => has(table, column))
    .map((one) => ({ ...one, cellId, oldSensorId: undefined }));
}

/** The series that an old sensor is; undefined for power, which is made here of voltage and current. */
export function sensorSeries(sensor: OldSensor): Series | undefined {
  if (sensor.name === powerStream.name) return undefined;
  return {
    cellId: sensor.cell_id,
    table: "data",
    column: undefined,
    oldSensorId: sensor.id,
    dataType: sensor.data_type === "int" ? "int" : "float",
    ...findStream(sensor),
  };
}

/** Whether a series is of volumetric water content, which stands there as a fraction or in percent. */
export function isVwc({ stream }: Series): boolean {
  return isSameStream(stream, terosStreams.vwc);
}

/**
 * Which stream an old sensor is. Version-1 sensors have the name of their message, version-2 ones that of their
 * SensorType; all others stay what they were called.
 */
function findStream({ name, measurement, unit }: OldSensor): Pick<Series, "stream" | "factor"> {
  if (isSameStream({ name, measurement }, waterPotentialStream))
    return { stream: waterPotentialStream, factor: 1 };
  const field = findMeasurementType(name)?.find(
    ({ field: key, stream }) =>
      key === measurement || (stream.name === name && stream.measurement === measurement),
  );
  if (field)
    return { stream: field.stream, factor: factorOf(unit, field.stream.unit) ?? field.factor };
  const type = findSensorType(name);
  if (type?.measurement === measurement)
    return { stream: type, factor: factorOf(unit, type.unit) ?? 1 };
  return { stream: { name, measurement, unit: unit?.trim() ?? "" }, factor: 1 };
}

const factors: readonly (readonly [from: string, to: string, factor: number])[] = [
  ["V", "mV", 1e3],
  ["A", "uA", 1e6],
  ["mA", "uA", 1e3],
];

/** How many of our units one of an old sensor's is; undefined where its unit says nothing of that. */
function factorOf(from: string | null, to: string): number | undefined {
  const unit = from?.trim().replace(/[µμ]/g, "u");
  if (unit === to) return 1;
  return factors.find(([old, ours]) => old === unit && ours === to)?.[2];
}

function quantity(
  table: Quantity["table"],
  column: string,
  stream: Stream,
  { factor = 1, dataType = "float" }: { factor?: number; dataType?: DataType } = {},
): Quantity {
  const { name, measurement, unit } = stream;
  return { table, column, stream: { name, measurement, unit }, dataType, factor };
}
