/** The columns of a table that has a row for each reading, or each mean. */
export const tidyColumns = [
  "timestamp",
  "cell_id",
  "cell",
  "sensor",
  "measurement",
  "value",
  "unit",
] as const;

/** What comes after them, where the rows are readings. */
export const originColumns = ["received_at", "logger_id"] as const;

/** Under which key a Parquet file says what is in it, as JSON: an `ExportDescription`. */
export const descriptionKey = "ents-backend.export";

/** What an export says of itself. */
export interface ExportDescription {
  /** Of this shape. */
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** What was asked for, and the span that it came to; null where there is nothing. */
  readonly query: {
    readonly start: string | null;
    readonly end: string | null;
    readonly resample: string;
    readonly tz: string;
  };
  readonly cells: readonly {
    readonly cell_id: number;
    readonly cell: string;
    readonly location: string | null;
    readonly latitude: number | null;
    readonly longitude: number | null;
  }[];
  readonly sensors: readonly {
    readonly cell_id: number;
    readonly sensor: string;
    readonly measurement: string;
    readonly unit: string;
    readonly data_type: "int" | "float";
    /** Its column where each sensor has one. */
    readonly column: string;
  }[];
}

/** What the name of a column says, in a table that has a column for each sensor. */
export interface WideColumn {
  readonly cell: { readonly id: number; readonly name: string };
  /** As a query calls it: `power.v`, `BME280_TEMP`, `bme280.temperature`. */
  readonly called: string;
  readonly unit: string;
}

/** `Plot 7 (1) power.v [mV]` */
export function formatWideColumn({ cell, called, unit }: WideColumn): string {
  return `${cell.name} (${cell.id}) ${called} [${unit}]`;
}

const wideColumn = /^(.*) \((\d{1,10})\) (.+) \[(.*)\](?: #\d+)?$/s;

/**
 * Reads the name of a column back; undefined where it isn't one. A number behind it (`… [mV] #12`) tells sensors apart
 * that would have the same name, and is left out.
 */
export function parseWideColumn(text: string): WideColumn | undefined {
  const [, name, id, called, unit] = wideColumn.exec(text) ?? [];
  if (name === undefined || called === undefined || unit === undefined) return undefined;
  return { cell: { id: Number(id), name }, called, unit };
}
