import { Type, type Static, type TSchema } from "typebox";
import { undecodable, unknownPort } from "../refusal.ts";
import type { Decoded } from "../uplink.ts";
import { decodeMeasurement } from "./measurement.ts";
import { parser } from "./parse.ts";
import { decodePlain } from "./plain.ts";
import { decodeRepeated } from "./repeated.ts";

/** What is null is not there. */
const maybe = <Schema extends TSchema>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]));

/** An uplink message of The Things Stack v3. */
export const Webhook = Type.Object({
  received_at: Type.Optional(Type.String()),
  uplink_message: maybe(
    Type.Object({
      f_port: Type.Optional(Type.Integer()),
      frm_payload: Type.Optional(Type.String()),
      decoded_payload: Type.Optional(Type.Unknown()),
      received_at: Type.Optional(Type.String()),
    }),
  ),
});
type Webhook = Static<typeof Webhook>;

const parseWebhook = parser(Webhook);

/** Padded or not. Source: RFC 4648, 4. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** LoRaWAN ports: what the firmware sends on each. */
const ports: Readonly<Record<number, (payload: Uint8Array) => Decoded>> = {
  1: decodeMeasurement,
  2: decodeRepeated,
  202: () => ({ ignored: "Ignoring timesync request." }),
};

/** Whether a JSON body is one of The Things Stack's messages about a device. */
export function isWebhook(body: unknown): boolean {
  return (
    typeof body === "object" &&
    body !== null &&
    ("end_device_ids" in body || "uplink_message" in body)
  );
}

/**
 * Decodes a webhook of The Things Stack v3. Join accepts, downlink events and clock synchronisation hold
 * nothing to store.
 *
 * @throws Refusal
 */
export function decodeWebhook(body: unknown): Decoded {
  const webhook = parseWebhook(body);
  const uplink = webhook.uplink_message;
  if (uplink?.f_port === undefined) return decodeByNetwork(webhook);
  const decode = ports[uplink.f_port];
  if (!decode) throw unknownPort(uplink.f_port);
  return decode(decodeBase64(uplink.frm_payload ?? ""));
}

/** The network's own payload formatter may have made a plain measurement of the uplink. */
function decodeByNetwork({ uplink_message: uplink, received_at }: Webhook): Decoded {
  const payload = uplink?.decoded_payload;
  if (!isMeasurement(payload)) return { ignored: "Missing uplink_message or f_port." };
  const receivedAt = Math.floor(Date.parse(uplink?.received_at ?? received_at ?? "") / 1000);
  const hasTime = payload.ts !== undefined && payload.ts !== null;
  return decodePlain(
    hasTime || Number.isNaN(receivedAt) ? payload : { ...payload, ts: receivedAt },
  );
}

function isMeasurement(payload: unknown): payload is { readonly ts?: unknown } {
  return typeof payload === "object" && payload !== null && "type" in payload && "data" in payload;
}

function decodeBase64(text: string): Uint8Array {
  if (!base64.test(text)) throw undecodable("base64 in frm_payload", undefined);
  return Buffer.from(text, "base64");
}
