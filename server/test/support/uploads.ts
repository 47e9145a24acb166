import type { InjectOptions } from "fastify";
import { base64, decimal, encodeVersion1, encodeVersion2, version2, webhook } from "./messages.ts";

/** Which cell and logger an upload is about, and when. */
interface Place {
  readonly cellId: number;
  readonly loggerId?: number;
  readonly ts?: number;
}

type Upload = (place: Place) => Pick<InjectOptions, "headers" | "payload">;

const octets = { "content-type": "application/octet-stream" };
const value = { case: "yfs210c", value: { flow: 1 } } as const;

/** One upload of one reading in each format that `/api/sensor/` takes. */
export const formats = {
  "version 1": (place) => ({ headers: octets, payload: message1(place) }),
  "version 2": (place) => ({
    headers: { ...octets, ...version2 },
    payload: message2(place),
  }),
  "plain JSON": ({ cellId, loggerId, ts = 1_705_316_400 }) => ({
    headers: {},
    payload: { type: "yfs210c", cellId, loggerId, ts, data: { flow: 1 } },
  }),
  "a webhook, version 1": (place) => ({
    headers: {},
    payload: webhook({ f_port: 1, frm_payload: base64(message1(place)) }),
  }),
  "a webhook, version 2": (place) => ({
    headers: {},
    payload: webhook({ f_port: 2, frm_payload: base64(message2(place)) }),
  }),
} as const satisfies Readonly<Record<string, Upload>>;

function message1({ cellId, loggerId = 0, ts = 1_705_316_400 }: Place): Buffer {
  return Buffer.from(encodeVersion1({ cellId, loggerId, ts }, value));
}

function message2({ cellId, loggerId = 0, ts = 1_705_316_400 }: Place): Buffer {
  const meta = { cellId, loggerId, ts };
  return Buffer.from(encodeVersion2([{ meta, type: 18, value: decimal(1), idx: 3 }]));
}
