import { Type, type Static } from "typebox";
import { Instant, nullable } from "./fields.ts";

/** An upload's number in quarantine. */
const UploadId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

const Numbers = Type.Array(Type.Integer());

/** An upload in quarantine, as lists show it. */
export const Upload = Type.Object(
  {
    id: UploadId,
    received_at: Instant,
    path: Type.String(),
    format: nullable(Type.String({ description: "null: none is known for its Content-Type" })),
    code: Type.String({ description: "why it could not be placed, for programs" }),
    reason: Type.String({ description: "why it could not be placed, for people" }),
    size: Type.Integer({ description: "bytes of its body" }),
    decodes: Type.Boolean({ description: "whether it could be read when it came" }),
    keyed: Type.Boolean({ description: "whether it came with a good key or token" }),
    account_id: nullable(
      Type.String({ description: "the user by whose key it came; for themselves and admins only" }),
    ),
    logger_id: nullable(Type.Integer({ description: "the logger by whose upload key it came" })),
    device_eui: nullable(Type.String({ description: "the device that a webhook is about" })),
    cell_ids: Numbers,
    cell_names: Type.Array(Type.String()),
    logger_numbers: Numbers,
    replays: Type.Integer({ description: "how often it was replayed, and refused again" }),
    last_replayed_at: nullable(Instant),
  },
  { title: "QuarantinedUpload" },
);
export type Upload = Static<typeof Upload>;

/** Uploads, the newest first; `before={next}` goes on. */
export const UploadList = Type.Object(
  {
    uploads: Type.Array(Upload),
    next: nullable(Type.Integer()),
  },
  { title: "UploadList" },
);

const Reference = Type.Union([
  Type.Object({ id: Type.Integer() }),
  Type.Object({ name: Type.String() }),
]);

const Measurement = Type.Object(
  {
    cell: Reference,
    logger: nullable(Reference),
    ts: Type.Number({ description: "Unix seconds, by the device's clock" }),
    values: Type.Array(
      Type.Object({
        name: Type.String(),
        measurement: Type.String(),
        unit: Type.String(),
        value: nullable(Type.Number({ description: "null: no number was sent" })),
      }),
    ),
  },
  { title: "DecodedMeasurement" },
);

/** What an upload says, as it is read today; or a sentence on why it says nothing. */
export const DecodedUpload = Type.Union([
  Type.Object({ measurements: Type.Array(Measurement) }),
  Type.Object({ refused: Type.String() }),
]);

export type DecodedUpload = Static<typeof DecodedUpload>;

/** An upload in quarantine, whole. */
export const WholeUpload = Type.Interface(
  [Upload],
  {
    headers: Type.Unsafe<Record<string, string>>(Type.Record(Type.String(), Type.String())),
    hex: Type.String({ description: "its body" }),
    text: nullable(Type.String({ description: "its body, where that is text in UTF-8" })),
    decoded: DecodedUpload,
  },
  { title: "WholeQuarantinedUpload" },
);
export type WholeUpload = Static<typeof WholeUpload>;

/** A cell's number or name, whether or not there is such a cell. */
const CellReference = Type.Union([
  Type.Number({ minimum: 0, maximum: 2 ** 32 - 1, multipleOf: 1 }),
  Type.String({ minLength: 1, maxLength: 100 }),
]);

/** An upload's number as it is asked for: an integer would lose its fraction unseen. */
export const UploadParameter = Type.Number({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  multipleOf: 1,
  description: "an upload's number",
  examples: [1],
});

/** Which uploads to replay: these, or all of one code, for one cell, or both. */
export const ReplayOrder = Type.Object(
  {
    ids: Type.Optional(nullable(Type.Array(UploadParameter, { minItems: 1, maxItems: 1000 }))),
    code: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 100 }))),
    cell: Type.Optional(nullable(CellReference)),
    after: Type.Optional(nullable(UploadParameter)),
  },
  { title: "ReplayOrder", examples: [{ code: "unknown_cell", cell: 999 }] },
);
export type ReplayOrder = Static<typeof ReplayOrder>;

/** What became of the readings of replayed uploads. */
export const Stored = Type.Object(
  {
    message: Type.String(),
    stored: Type.Integer({ description: "readings that are new" }),
    repeated: Type.Integer({ description: "readings that were there" }),
    conflicting: Type.Integer({ description: "readings that differ from what was there" }),
  },
  { title: "ReplayedUpload" },
);

/** What became of many uploads. */
export const ReplayCounts = Type.Object(
  {
    replayed: Type.Integer({ description: "uploads that have left quarantine" }),
    stored: Type.Integer(),
    repeated: Type.Integer(),
    conflicting: Type.Integer(),
    still_refused: Type.Array(
      Type.Object({ id: UploadId, code: Type.String(), reason: Type.String() }),
    ),
    next: nullable(Type.Integer({ description: "where there are more: `after` of the next call" })),
  },
  { title: "ReplayCounts" },
);
