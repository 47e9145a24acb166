import type { Decoded } from "../uplink.ts";
import { decodePowerByName, decodeTerosByName, formBody, jsonBody } from "./by-name.ts";
import { decodeJson } from "./json.ts";
import { decodeMeasurement } from "./measurement.ts";
import { decodeRepeated } from "./repeated.ts";

/** Bytes → measurements. Pure; throws a Refusal and nothing else, whatever the bytes. */
type Codec = (payload: Uint8Array) => Decoded;

/** Every format that an upload may have. */
export const codecs = {
  "measurement/v1": decodeMeasurement,
  "measurement/v2": decodeRepeated,
  json: decodeJson,
  "power/json": (payload) => decodePowerByName(jsonBody(payload)),
  "power/form": (payload) => decodePowerByName(formBody(payload)),
  "teros/json": (payload) => decodeTerosByName(jsonBody(payload)),
  "teros/form": (payload) => decodeTerosByName(formBody(payload)),
} as const satisfies Readonly<Record<string, Codec>>;

export type Format = keyof typeof codecs;
