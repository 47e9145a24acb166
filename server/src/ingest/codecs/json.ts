import type { Decoded } from "../uplink.ts";
import { parseJson } from "./parse.ts";
import { decodePlain } from "./plain.ts";
import { decodeWebhook, isWebhook } from "./webhook.ts";

/** Decodes JSON: a LoRaWAN uplink webhook of The Things Stack, or a plain measurement. @throws Refusal */
export function decodeJson(payload: Uint8Array): Decoded {
  const body = parseJson(payload);
  return isWebhook(body) ? decodeWebhook(body) : decodePlain(body);
}
