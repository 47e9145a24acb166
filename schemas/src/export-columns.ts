import { isSameStream, type Stream } from "./sensor.ts";
import { findNamedStream } from "./stream-name.ts";

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
  readonly stream: Stream;
  /** Over which time its values are means; undefined: they are readings. */
  readonly meanBy?: string | undefined;
}

/**
 * `Plot 7 (1) power.v [mV]`, of means `Plot 7 (1) power.v [mV; mean by hour]`. Sensors that not every cell may have are called `name.measurement`, where what would be taken
 * for a part of the column's name is percent-encoded (RFC 3986): dots, parentheses and brackets.
 *
 * @param called one of the stream's names
 */
export function formatWideColumn({ cell, stream, meanBy }: WideColumn, called: string): string {
  const unit = encode(stream.unit, /[[\]]/) + (meanBy === undefined ? "" : `${means}${meanBy}`);
  return `${cell.name} (${cell.id}) ${formatStream(stream, called)} [${unit}]`;
}

const means = "; mean by ";

const wideColumn = /^(.*) \((\d{1,10})\) ([^()[\]]+) \[([^[\]]*)\]$/s;

/** Reads the name of a column back; undefined where it isn't one. */
export function parseWideColumn(text: string): WideColumn | undefined {
  const [, cell, id, called, inside] = wideColumn.exec(text) ?? [];
  if (cell === undefined || called === undefined || inside === undefined) return undefined;
  const end = inside.lastIndexOf(means);
  const [unit, meanBy] =
    end < 0 ? [inside] : [inside.slice(0, end), inside.slice(end + means.length)];
  return {
    cell: { id: Number(id), name: cell },
    stream: { ...parseStream(called), unit: decode(unit) },
    ...(meanBy !== undefined && { meanBy }),
  };
}

function formatStream(stream: Stream, called: string): string {
  const named = findNamedStream(called);
  if (named && isSameStream(named, stream)) return called;
  const text = [stream.name, stream.measurement].map((part) => encode(part, /[.()[\]]/)).join(".");
  // `power.v` is the voltage, and not the `v` of somebody's own `power`.
  return findNamedStream(text) ? encode(text, /^./) : text;
}

function parseStream(text: string): Pick<Stream, "name" | "measurement"> {
  const named = findNamedStream(text);
  if (named) return { name: named.name, measurement: named.measurement };
  const dot = text.indexOf(".");
  const [name, measurement] = dot < 0 ? [text, text] : [text.slice(0, dot), text.slice(dot + 1)];
  return { name: decode(name), measurement: decode(measurement) };
}

/** Percent-encodes some ASCII characters, and what would be taken for encoded. */
function encode(text: string, { source }: RegExp): string {
  return text.replace(new RegExp(`%(?=[0-9A-F]{2})|${source}`, "g"), (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return `%${code}`;
  });
}

function decode(text: string): string {
  return text.replace(/%([0-9A-F]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}
