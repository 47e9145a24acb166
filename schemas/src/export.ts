import { Type, type Static } from "typebox";
import { CellId } from "./fields.ts";
import { resampleNames } from "./resample.ts";

/** What an export may be written as. */
export const exportFormats = ["csv", "csv-tidy", "parquet", "datapackage"] as const;
export type ExportFormat = (typeof exportFormats)[number];

const time = "RFC 1123, ISO 8601 or Unix seconds, included; default: everything there is";

/** What an export is to be of, and how it is written. */
export const ExportParams = Type.Object(
  {
    cells: Type.Array(CellId, { minItems: 1, maxItems: 100 }),
    sensors: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 250 }), {
        minItems: 1,
        maxItems: 100,
        description: "as `/readings` names them: power.v, BME280_TEMP, …; default: all",
      }),
    ),
    start: Type.Optional(Type.String({ maxLength: 40, description: time })),
    end: Type.Optional(Type.String({ maxLength: 40, description: time })),
    resample: Type.Optional(
      Type.Enum([...resampleNames], {
        description: "mean of each …, stamped with its start; default: none, every reading",
      }),
    ),
    tz: Type.Optional(
      Type.String({ maxLength: 64, description: "zone of days and longer buckets; default: UTC" }),
    ),
    format: Type.Enum([...exportFormats], {
      description:
        "csv: a row for each instant, a column for each sensor; csv-tidy: a row for each reading; parquet: the same; " +
        "datapackage: a Frictionless Data Package (zip)",
    }),
    licence: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9.+-]{1,64}$",
        description: "what a data package says of its licence: CC-BY-4.0, CC0-1.0, …",
      }),
    ),
  },
  { additionalProperties: false },
);
export type ExportParams = Static<typeof ExportParams>;
