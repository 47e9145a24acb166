import type { OldDatabase } from "./old-database.ts";
import {
  columnsOf,
  dataValue,
  isTakeable,
  noIds,
  ownRows,
  rawValue,
  readingTables,
  selectReadings,
  type OldRange,
  type Ids,
  type ReadingTable,
  type Series,
} from "./series.ts";

/** Rows of an old table that are not taken, all for the same reason. */
export interface Leaving {
  readonly table: string;
  readonly reason: string;
  /** Whose they are, as `sensor 7`; null where nobody knows. */
  readonly of: string | null;
  readonly rows: number;
  /** The least and the greatest of their ids. */
  readonly first: number;
  readonly last: number;
}

/** What a row of power_data or teros_data measures. */
const quantities = {
  power_data: ["voltage", "current"],
  teros_data: ["vwc", "raw_vwc", "temp", "ec", "water_pot"],
} as const;

/** The largest id of each table as of now: what comes later is the next run's. */
export async function findLastIds(old: OldDatabase): Promise<Ids> {
  const last = async (table: ReadingTable): Promise<number> => {
    if (!old.has(table, "id")) return noIds[table];
    const rows = await old.rows<{ last: number }>(
      `select coalesce(max(id), ${noIds[table]})::float8 as last from ${table}`,
    );
    return rows[0]!.last;
  };
  const [power_data, teros_data, data] = [
    await last("power_data"),
    await last("teros_data"),
    await last("data"),
  ];
  return { power_data, teros_data, data };
}

/** How many readings some series have in a range. */
export async function countReadings(
  old: OldDatabase,
  series: readonly Series[],
  range: OldRange,
): Promise<number> {
  if (series.length === 0) return 0;
  const [row] = await old.rows<{ readings: number }>(
    `select count(*)::float8 as readings from (${selectReadings(old, series, range)}) as reading`,
  );
  return row!.readings;
}

/** How many values of volumetric water content can be fractions or percentages, and how many percentages alone. */
export interface VwcValues {
  readonly upToOne: number;
  readonly overOne: number;
  /** All of them, those that are 0 or less included. */
  readonly all: number;
}

/** Counts the values of some series of volumetric water content, all of them as the old database has them. */
export async function countVwcValues(
  old: OldDatabase,
  series: readonly Series[],
): Promise<VwcValues> {
  const values = series.map(
    (one) =>
      `select ${rawValue(old, one)} as value from ${one.table}
       where ${ownRows(one)}`,
  );
  if (values.length === 0) return { upToOne: 0, overOne: 0, all: 0 };
  const [row] = await old.rows<VwcValues>(`
    select (count(*) filter (where value > 0 and value <= 1))::float8 as "upToOne",
      (count(*) filter (where value > 1 and value < 'Infinity'))::float8 as "overOne",
      (count(value))::float8 as "all"
    from (${values.join(" union all ")}) as vwc`);
  return row!;
}

/** The rows of readings that are not taken, and why. */
export async function listLeavings(old: OldDatabase): Promise<Leaving[]> {
  const leavings: Leaving[] = [];
  for (const table of readingTables)
    if (old.has(table)) leavings.push(...(await listLeavingsOf(old, table)));
  return leavings;
}

async function listLeavingsOf(old: OldDatabase, table: ReadingTable): Promise<Leaving[]> {
  const { of, reasons } = table === "data" ? dataFaults(old) : cellFaults(old, table);
  const at = old.instant(table, "ts");
  const ownFaults = [
    ["id is null", "it has no id"],
    [`${at} is null`, "it has no time"],
    [`not (${isTakeable(at)})`, "its time is none that a reading can have (1970 to 9999)"],
  ];
  const cases = [...reasons, ...ownFaults].map(
    ([fault, reason]) => `when ${fault} then '${reason}'`,
  );
  return await old.rows<Leaving>(`
    select '${table}' as "table", reason, of, count(*)::float8 as rows,
      coalesce(min(id), 0)::float8 as first, coalesce(max(id), 0)::float8 as last
    from (select case ${cases.join(" ")} end as reason, ${of} as of, id from ${table}) as leaving
    where reason is not null
    group by reason, of order by reason collate "C", of`);
}

const knownCells = "select id from cell where id is not null";

interface Faults {
  /** Whose a row is, in SQL. */
  readonly of: string;
  readonly reasons: readonly (readonly [fault: string, reason: string])[];
}

function cellFaults(old: OldDatabase, table: "power_data" | "teros_data"): Faults {
  const values = columnsOf(old, table, quantities[table]);
  const empty = values.map((column) => `${column} is null`).join(" and ") || "true";
  return {
    of: "'cell ' || cell_id",
    reasons: [
      ["cell_id is null", "it names no cell"],
      [`cell_id not in (${knownCells})`, "its cell is not there"],
      [empty, "it holds no value"],
    ],
  };
}

function dataFaults(old: OldDatabase): Faults {
  const of = "'sensor ' || sensor_id";
  if (!old.has("sensor")) return { of, reasons: [["true", "its sensor is not there"]] };
  const known = "select id from sensor where id is not null";
  const text = old.column("data", "text_val");
  return {
    of,
    reasons: [
      ["sensor_id is null", "it names no sensor"],
      [`sensor_id not in (${known})`, "its sensor is not there"],
      [
        `sensor_id not in (${known} and name is not null and measurement is not null)`,
        "its sensor has no name",
      ],
      [
        `sensor_id not in (${known} and cell_id in (${knownCells}))`,
        "the cell of its sensor is not there",
      ],
      [`${dataValue(old)} is null and ${text} is not null`, "it is text, and readings are numbers"],
      [`${dataValue(old)} is null`, "it holds no value"],
    ],
  };
}
