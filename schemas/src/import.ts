import { Type, type Static } from "typebox";
import { CellId, Instant, Label, LoggerNumber, nullable, Unit } from "./fields.ts";
import { Task, TaskId } from "./task.ts";

/** What a file of readings may be. */
export const importFormats = ["rocketlogger", "sd-card", "export", "parquet", "mapped"] as const;
export type ImportFormat = (typeof importFormats)[number];

const Column = Type.Union([
  Type.String({ minLength: 1, maxLength: 200 }),
  Type.Integer({ minimum: 1, maximum: 1000 }),
]);

const SensorOfFile = Type.Union(
  [
    Label,
    Type.Object({ name: Label, measurement: Label, unit: Unit }, { additionalProperties: false }),
  ],
  { description: "a known one, as power.v, BME280_TEMP or bme280.temperature; or one of your own" },
);

const ValueColumn = Type.Object(
  {
    column: Column,
    sensor: SensorOfFile,
    factor: Type.Optional(
      Type.Number({ description: "stored = value × factor + offset; 1 where it isn't given" }),
    ),
    offset: Type.Optional(Type.Number()),
    cell: Type.Optional(CellId),
  },
  { additionalProperties: false },
);

const TimeColumn = Type.Object(
  {
    column: Type.Optional(Column),
    columns: Type.Optional(
      Type.Array(Column, { minItems: 2, maxItems: 3, description: "date and time apart" }),
    ),
    format: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: "iso, unix, unix-ms, rfc1123, excel, or a pattern as %d.%m.%Y %H:%M",
      }),
    ),
    zone: Type.Optional(
      Type.String({ maxLength: 60, description: "UTC, +01:00 or Europe/Berlin; UTC otherwise" }),
    ),
  },
  { additionalProperties: false },
);

const CellColumn = Type.Object(
  {
    column: Column,
    cells: Type.Optional(Type.Record(Type.String(), CellId, { maxProperties: 1000 })),
  },
  { additionalProperties: false, description: "numbers of cells, or texts and whose they are" },
);

/** Which column of a table of measurements holds what. */
export const Mapping = Type.Object(
  {
    time: TimeColumn,
    values: Type.Array(ValueColumn, { minItems: 1, maxItems: 1000 }),
    cell: Type.Optional(Type.Union([CellId, CellColumn])),
    logger: Type.Optional(
      Type.Union([LoggerNumber, Type.Object({ column: Column }, { additionalProperties: false })]),
    ),
    delimiter: Type.Optional(Type.String({ minLength: 1, maxLength: 1 })),
    decimal: Type.Optional(Type.Union([Type.Literal("."), Type.Literal(",")])),
    encoding: Type.Optional(
      Type.Union([Type.Literal("utf-8"), Type.Literal("windows-1252"), Type.Literal("utf-16le")]),
    ),
    header: Type.Optional(Type.Boolean({ description: "false: the first line is measurements" })),
    skip_lines: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10_000, description: "before the header" }),
    ),
    skip_after_header: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    missing: Type.Optional(
      Type.Array(Type.String({ maxLength: 40 }), {
        maxItems: 20,
        description: "what stands for no reading, beside an empty field",
      }),
    ),
  },
  { additionalProperties: false },
);

export type Mapping = Static<typeof Mapping>;

/** A file of an import, and what it was found to be. */
const ImportedFile = Type.Object(
  {
    name: Type.String(),
    format: Type.Enum([...importFormats]),
    bytes: Type.Integer(),
    rows: Type.Integer({ description: "of measurements, the wrong ones too" }),
    bad_rows: Type.Integer(),
    vwc_unit: nullable(
      Type.String({ description: "what VWC stands in, where it had to be found out" }),
    ),
    vwc_unit_because: nullable(Type.String()),
    ignored_columns: Type.Array(Type.String()),
  },
  { title: "ImportedFile" },
);

const ImportedSensor = Type.Object(
  {
    cell_id: Type.Integer(),
    name: Type.String(),
    measurement: Type.String(),
    unit: Type.String(),
  },
  { title: "ImportedSensor" },
);

/** A span of time for which a sensor had nothing, and that readings came for. */
const FilledGap = Type.Object(
  {
    ...ImportedSensor.properties,
    from: Instant,
    to: Instant,
    readings: Type.Integer(),
  },
  { title: "FilledGap" },
);
export type FilledGap = Static<typeof FilledGap>;

/** What files hold, and what becomes of it: of a preview, what would. */
export const ImportReport = Type.Object(
  {
    finished: Type.Boolean({ description: "false: it was stopped, and is about a part" }),
    files: Type.Array(ImportedFile),
    skipped: Type.Array(Type.Object({ name: Type.String(), reason: Type.String() }), {
      description: "what stands in zip files beside measurements",
    }),
    rows: Type.Integer(),
    bad_rows: Type.Integer(),
    wrong: Type.Array(
      Type.Object({ file: Type.String(), line: Type.Integer(), reason: Type.String() }),
      { description: "the first of the bad rows, which are left out" },
    ),
    readings: Type.Object({
      new: Type.Integer(),
      repeated: Type.Integer({ description: "stored already, with the same value" }),
      conflicting: Type.Integer({ description: "stored already, with another value, which stays" }),
    }),
    cells: Type.Array(
      Type.Object({
        id: Type.Integer(),
        name: nullable(Type.String()),
        readings: Type.Integer(),
        problem: nullable(Type.String({ description: "why nothing can be imported into it" })),
      }),
    ),
    loggers: Type.Array(
      Type.Object({
        id: nullable(Type.Integer()),
        name: nullable(Type.String({ description: "null: it isn't registered" })),
        readings: Type.Integer(),
      }),
    ),
    sensors: Type.Array(
      Type.Object({
        ...ImportedSensor.properties,
        readings: Type.Integer(),
        earliest: Instant,
        latest: Instant,
      }),
    ),
    earliest: nullable(Instant),
    latest: nullable(Instant),
    warnings: Type.Array(Type.String()),
    gaps: Type.Object({
      filled: Type.Integer(),
      longest: Type.Array(FilledGap),
    }),
  },
  { title: "ImportReport" },
);
export type ImportReport = Static<typeof ImportReport>;

/** What comes beside the files of an import, as fields of a form. */
export const ImportFields = Type.Object(
  {
    cell: Type.Optional(CellId),
    logger: Type.Optional(LoggerNumber),
    format: Type.Optional(Type.Enum([...importFormats])),
    mapping: Type.Optional(Mapping),
    vwc_unit: Type.Optional(Type.Enum(["fraction", "percent"])),
  },
  { additionalProperties: false },
);
export type ImportFields = Static<typeof ImportFields>;

/** Files that were sent, what they hold, and what became of them. */
export const Import = Type.Object(
  {
    id: TaskId,
    preview: Task,
    run: nullable(Task),
    report: Type.Union([ImportReport, Type.Null()], {
      description:
        "the preview's until the run is done; then the run's, null where it failed or was stopped",
    }),
  },
  { title: "Import" },
);
export type Import = Static<typeof Import>;
