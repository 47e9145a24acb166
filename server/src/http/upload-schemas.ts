import { Type, type TSchema } from "typebox";
import { PlainMeasurement } from "../ingest/codecs/plain.ts";
import { Webhook } from "../ingest/codecs/webhook.ts";

/** What the document says of a route that takes uploads: it takes all bodies as bytes, and checks them by itself. */
export interface DescribedUpload {
  readonly operationId: string;
  readonly summary: string;
  /** By media type. */
  readonly takes: Readonly<Record<string, TSchema>>;
  readonly answers: Readonly<Record<string, TSchema>>;
}

const Bytes = Type.String({
  format: "binary",
  description:
    "A message in protobuf; the header SensorVersion says of which version, 1 where it says nothing",
});
const Note = Type.String({
  description: "Of a webhook that holds nothing to store",
  examples: ["nothing to store"],
});

const Measurement = Type.Object(
  {
    ...PlainMeasurement.properties,
    data: Type.Record(Type.String(), Type.Number(), { minProperties: 1, maxProperties: 64 }),
  },
  { title: "Measurement" },
);

/** The schema of plain JSON, with an example for people to begin with. */
export const Json = Type.Union(
  [
    Measurement,
    Type.Object(
      {
        end_device_ids: Type.Optional(Type.Unknown()),
        ...Webhook.properties,
      },
      { title: "Webhook" },
    ),
  ],
  {
    title: "Upload",
    examples: [
      {
        type: "power",
        cellId: 1,
        loggerId: 1,
        ts: 1704067200,
        data: { voltage: 0.85, current: 0.00012 },
      },
    ],
  },
);

/** The formats that every sensor may upload in. */
export const anyUpload = { "application/octet-stream": Bytes, "application/json": Json };

/** What nodes are answered, whatever they speak. */
export const nodeAnswers = { "application/octet-stream": Bytes, "text/plain": Note };

const sent = Type.Union([Type.Number(), Type.Null()]);

/** What the older doors answer: what was sent, and when it came. */
export function receiptOf(title: string, keys: readonly string[]): TSchema {
  const values = Object.fromEntries(keys.map((key) => [key, sent]));
  const receipt = { id: Type.Integer(), ts: Type.String(), ts_server: Type.String() };
  return Type.Object({ ...receipt, ...values }, { title });
}
