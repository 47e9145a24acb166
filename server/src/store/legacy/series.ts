import type { DataType, Stream } from "@ents-backend/schemas/sensor";
import type { OldDatabase, OldTable } from "./old-database.ts";

/** The old tables that hold readings; of two readings of one instant, the earlier table's is the first. */
export const readingTables = ["power_data", "teros_data", "data"] as const;
export type ReadingTable = (typeof readingTables)[number];

/** A number for each table of readings: an id of its rows. */
export type Ids = Readonly<Record<ReadingTable, number>>;
/** Before all ids. */
export const noIds: Ids = { power_data: -(2 ** 31), teros_data: -(2 ** 31), data: -(2 ** 31) };

/**
 * What volumetric water content stands in: fractions (and what can't be one is a percentage), percent, or both, so
 * that each value has to tell for itself.
 */
export const vwcRules = ["fraction", "percent", "each"] as const;
export type VwcRule = (typeof vwcRules)[number];

/** Readings of one stream of a cell that lie together in the old database. */
export interface Series {
  readonly cellId: number;
  readonly table: ReadingTable;
  /** Where the table holds many quantities side by side: the one that is meant. */
  readonly column: string | undefined;
  /** Where it holds one below the other: the old sensor that is meant. */
  readonly oldSensorId: number | undefined;
  readonly stream: Stream;
  readonly dataType: DataType;
  /** Our unit = the old one × factor. */
  readonly factor: number;
  /** For volumetric water content alone. */
  readonly vwcRule?: VwcRule | undefined;
}

/** Which rows of the old tables are meant. */
export interface OldRange {
  /** Their ids are after these, and up to those. */
  readonly after: Ids;
  readonly to: Ids;
  /** From this instant on, Unix seconds. */
  readonly from: number;
}

/**
 * All readings of some series in SQL: which of the series (nth), source and id, by which they are ordered within an
 * instant, at, received_at, logger_id, and value in our unit, NaN where it is none.
 */
export function selectReadings(
  old: OldDatabase,
  series: readonly Series[],
  { after, to, from }: OldRange,
): string {
  const parts = series.map((one, nth) => {
    const { table } = one;
    const at = old.instant(table, "ts");
    const received = old.instant(table, "ts_server");
    const logger = table === "power_data" ? old.column(table, "logger_id") : "null";
    return `select ${nth} as nth, ${readingTables.indexOf(table)} as source, id::int8 as id, ${at} as at,
        case when isfinite(${received}) then ${received} else ${at} end as received_at,
        ${logger}::int8 as logger_id, ${convertedValue(old, one)} as value
      from ${table}
      where ${ownRows(one)} and id > ${after[table]} and id <= ${to[table]}
        and ${rawValue(old, one)} is not null and ${isTakeable(at)}
        and ${at} >= to_timestamp(${from})`;
  });
  return parts.join(" union all ");
}

/** Whether an instant, in SQL, is one that a reading can have: a device's clock counts seconds from 1970 on. */
export function isTakeable(at: string): string {
  return `${at} >= '1970-01-01Z' and ${at} < '9999-12-31Z'`;
}

/** Which rows of its table a series has, in SQL. */
export function ownRows({ cellId, oldSensorId }: Series): string {
  return oldSensorId === undefined ? `cell_id = ${cellId}` : `sensor_id = ${oldSensorId}`;
}

/** What stands there, in SQL, in the old unit. */
export function rawValue(old: OldDatabase, { table, column }: Series): string {
  return column === undefined ? dataValue(old) : `${old.column(table, column)}::float8`;
}

/** The number that a row of \`data\` holds, in SQL. */
export function dataValue(old: OldDatabase): string {
  return `coalesce(${old.column("data", "float_val")}::float8, ${old.column("data", "int_val")}::float8)`;
}

/** The quantities of a table that holds many side by side, as far as the database has them. */
export function columnsOf<Column extends string>(
  old: OldDatabase,
  table: OldTable,
  columns: readonly Column[],
): Column[] {
  return columns.filter((column) => old.has(table, column));
}

/** In our unit; NaN for what is no number, and for what wouldn't be one any more. */
function convertedValue(old: OldDatabase, series: Series): string {
  const raw = rawValue(old, series);
  const scale = series.vwcRule === undefined ? series.factor : 100;
  const converted =
    series.vwcRule === undefined ? `${raw} * ${scale}` : toPercent(raw, series.vwcRule);
  return `case when abs(${raw}) <= '${Number.MAX_VALUE / scale}'::float8 then ${converted} else 'NaN'::float8 end`;
}

function toPercent(raw: string, rule: VwcRule): string {
  if (rule === "percent") return raw;
  const isFraction = rule === "fraction" ? `${raw} <= 1` : `${raw} > 0 and ${raw} <= 1`;
  return `case when ${isFraction} then ${raw} * 100 else ${raw} end`;
}
