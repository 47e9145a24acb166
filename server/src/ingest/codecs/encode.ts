import {
  create,
  ScalarType,
  toBinary,
  type DescField,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { findMeasurementType } from "@ents-backend/schemas/measurement";
import type { SensorType } from "@ents-backend/schemas/sensor";
import { MeasurementSchema } from "./proto/measurement_pb.js";
import { RepeatedSensorMeasurementsSchema } from "./proto/sensor_pb.js";

/** Whose readings a message holds, and of which instant. */
export interface Origin {
  readonly cellId: number;
  readonly loggerId: number;
  /** Unix seconds, by the device's clock. */
  readonly ts: number;
}

/** The version-1 types that have a protobuf message, which the ones that are only ever JSON have not. */
export const encodableTypes: readonly string[] = MeasurementSchema.oneofs[0]!.fields.map(
  ({ localName }) => localName,
);

/**
 * Encodes a version-1 `Measurement`, as a node does: the inverse of `decodeMeasurement`.
 *
 * @param type one of `encodableTypes`
 * @param values one for each field of the type, in the unit that the API answers it in
 */
export function encodeMeasurement(
  origin: Origin,
  type: string,
  values: readonly number[],
): Uint8Array {
  const message = MeasurementSchema.oneofs[0]!.fields.find(
    ({ localName }) => localName === type,
  )!.message!;
  const fields = findMeasurementType(type)!.map(({ field, factor, wireDivisor }, at) => [
    field,
    fit(message.field[field]!, (values[at]! / factor) * wireDivisor),
  ]);
  const init = { meta: origin, measurement: { case: type, value: Object.fromEntries(fields) } };
  return toBinary(
    MeasurementSchema,
    create(MeasurementSchema, init as MessageInitShape<typeof MeasurementSchema>),
  );
}

/** Encodes a version-2 `RepeatedSensorMeasurements` of one instant: the inverse of `decodeRepeated`. */
export function encodeRepeated(
  origin: Origin,
  readings: readonly { readonly type: SensorType; readonly value: number }[],
): Uint8Array {
  const measurements = readings.map(({ type, value }, idx) => ({
    type: type.number,
    value: { case: "decimal" as const, value },
    idx,
  }));
  return toBinary(
    RepeatedSensorMeasurementsSchema,
    create(RepeatedSensorMeasurementsSchema, { meta: origin, measurements }),
  );
}

/** The nearest number that a field can hold. */
function fit(field: DescField, value: number): number {
  if (field.scalar === ScalarType.DOUBLE) return value;
  const [least, most] =
    field.scalar === ScalarType.UINT32 ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  return Math.min(Math.max(Math.round(value), least), most);
}
