import { findSensorTypeByNumber } from "@ents-backend/schemas/sensor";
import { invalidMeasurement, Refusal, refusalIfAny, unsupportedSensor } from "../refusal.ts";
import type { Decoded, Measurement } from "../uplink.ts";
import {
  RepeatedSensorMeasurementsSchema,
  type RepeatedSensorMeasurements,
  type SensorMeasurement,
} from "./proto/sensor_pb.js";
import { decodeMessage } from "./wire.ts";

/** Hardware sends up to 16; this bounds what one message may cost. */
const mostMeasurements = 4096;

/**
 * Decodes a version-2 `RepeatedSensorMeasurements`. A measurement without `meta` or `type` takes the
 * message's.
 *
 * @throws Refusal with a verdict for each measurement
 */
export function decodeRepeated(payload: Uint8Array): Decoded {
  const message = decodeMessage(RepeatedSensorMeasurementsSchema, payload);
  const { measurements } = message;
  if (measurements.length === 0) throw invalidMeasurement("the message has no measurements");
  if (measurements.length > mostMeasurements)
    throw invalidMeasurement(`the message has more than ${mostMeasurements} measurements`);
  const read = measurements.map((measurement) => readMeasurement(measurement, message));
  const refusal = refusalIfAny(measurements, (_, at) => {
    const outcome = read[at];
    return outcome instanceof Refusal ? outcome : undefined;
  });
  if (refusal) throw refusal;
  return {
    measurements: read.filter((outcome): outcome is Measurement => !(outcome instanceof Refusal)),
  };
}

function readMeasurement(
  measurement: SensorMeasurement,
  message: RepeatedSensorMeasurements,
): Measurement | Refusal {
  const meta = measurement.meta ?? message.meta;
  const number = measurement.type || message.type;
  const { value, idx } = measurement;
  if (!meta) return invalidMeasurement("a measurement has no meta");
  if (number === 0) return invalidMeasurement("a measurement has no type");
  const type = findSensorTypeByNumber(number);
  if (!type) return unsupportedSensor(number);
  if (value.case === undefined) return invalidMeasurement("a measurement has no value");
  return {
    cell: { id: meta.cellId },
    logger: { id: meta.loggerId },
    ts: meta.ts,
    values: [
      { stream: type, dataType: value.case === "decimal" ? "float" : "int", value: value.value },
    ],
    idx,
  };
}
