import { findMeasurementType } from "@ents-backend/schemas/measurement";
import { invalidMeasurement } from "../refusal.ts";
import type { Decoded, Value } from "../uplink.ts";
import { MeasurementSchema, type Measurement as Message } from "./proto/measurement_pb.js";
import { decodeRepeated } from "./repeated.ts";
import { decodeMessage } from "./wire.ts";

/**
 * Decodes a version-1 `Measurement`. Version 1 is what a message is that doesn't say; one of version 2 that
 * lost its header on the way can't be mistaken for it, its wire types differ, and is taken for what it is.
 *
 * @throws Refusal
 */
export function decodeMeasurement(payload: Uint8Array): Decoded {
  try {
    return readMeasurement(decodeMessage(MeasurementSchema, payload));
  } catch (refusal) {
    try {
      return decodeRepeated(payload);
    } catch {
      throw refusal;
    }
  }
}

function readMeasurement({ meta, measurement }: Message): Decoded {
  if (!meta) throw invalidMeasurement("the message has no meta");
  if (measurement.case === undefined) throw invalidMeasurement("the message has no measurement");
  const { cellId, loggerId, ts } = meta;
  const values = readValues(
    measurement.case,
    measurement.value as unknown as Record<string, number>,
  );
  return { measurements: [{ cell: { id: cellId }, logger: { id: loggerId }, ts, values, idx: 0 }] };
}

function readValues(type: string, message: Record<string, number>): Value[] {
  return findMeasurementType(type)!.map(({ field, stream, dataType, factor, wireDivisor }) => ({
    stream,
    dataType,
    value: (message[field]! / wireDivisor) * factor,
  }));
}
