import type { DataType } from "@ents-backend/schemas/sensor";
import type { ColumnType, Generated, JSONColumnType } from "kysely";

/** A timestamptz: read as a Date, never changed. */
type Instant = ColumnType<Date, Date, never>;
type Defaulted<T> = ColumnType<T, T | undefined, T>;

export interface CellTable {
  id: Generated<number>;
  name: string;
  location: string | null;
  latitude: number | null;
  longitude: number | null;
  archive: Defaulted<boolean>;
  user_id: string | null;
  upload_policy: "key" | "open";
  created_at: Generated<Date>;
}

export interface LoggerTable {
  id: Generated<number>;
  name: string;
  type: string | null;
  device_eui: string | null;
  description: string | null;
  user_id: string | null;
  vwc_unit: "fraction" | "percent" | null;
  date_created: Generated<Date>;
}

export interface SensorTable {
  id: Generated<number>;
  cell_id: number;
  name: string;
  measurement: string;
  unit: string;
  data_type: DataType;
}

export interface ReadingTable {
  ts: Instant;
  value: number | null;
  received_at: Instant;
  logger_id: number | null;
  sensor_id: number;
}

export interface LoggerSightingTable {
  logger_id: number;
  cell_id: number;
  first_received_at: Instant;
}

export interface QuarantineTable {
  id: Generated<number>;
  received_at: Instant;
  path: string;
  format: string | null;
  headers: JSONColumnType<Record<string, string>>;
  body: Buffer;
  code: string;
  reason: string;
}

/** The database as the migrations leave it. */
export interface Tables {
  cell: CellTable;
  logger: LoggerTable;
  sensor: SensorTable;
  reading: ReadingTable;
  reading_conflict: ReadingTable;
  logger_sighting: LoggerSightingTable;
  quarantine: QuarantineTable;
}
