import { create, toBinary } from "@bufbuild/protobuf";
import { ResponseSchema } from "./codecs/proto/measurement_pb.js";
import { RepeatedSensorResponsesSchema } from "./codecs/proto/sensor_pb.js";
import { SensorError, type SensorVerdict } from "./refusal.ts";

/** Bytes that a node has room for: it copies an answer into a buffer of this size without checking. */
const largestNodeAnswer = 222;

/** A version-1 `Response`: nothing at all for success. */
export function encodeResponse(success: boolean): Uint8Array {
  return toBinary(ResponseSchema, create(ResponseSchema, { resp: success ? 0 : 1 }));
}

/**
 * A version-2 `RepeatedSensorResponses`. Where the whole list would be more than a node has room for: the first
 * error alone, or nothing.
 */
export function encodeVerdicts(verdicts: readonly SensorVerdict[]): Uint8Array {
  const all = encode(verdicts);
  if (all.length <= largestNodeAnswer) return all;
  return encode(verdicts.filter(({ error }) => error !== SensorError.ok).slice(0, 1));
}

function encode(verdicts: readonly SensorVerdict[]): Uint8Array {
  const responses = verdicts.map(({ idx, error }) => ({ idx, error }));
  return toBinary(
    RepeatedSensorResponsesSchema,
    create(RepeatedSensorResponsesSchema, { responses }),
  );
}
