import type { DataType } from "@ents-backend/schemas/sensor";
import type { TaskState } from "@ents-backend/schemas/task";
import type { ColumnType, Generated, JSONColumnType } from "kysely";

/** A timestamptz: read as a Date, never changed. */
type Instant = ColumnType<Date, Date, never>;
type Defaulted<T> = ColumnType<T, T | undefined, T>;

interface CellTable {
  id: Generated<number>;
  name: string;
  location: string | null;
  latitude: number | null;
  longitude: number | null;
  archive: Defaulted<boolean>;
  user_id: string | null;
  upload_policy: "key" | "open";
  visibility: Defaulted<"public" | "private">;
  created_at: Generated<Date>;
}

interface LoggerTable {
  id: Generated<number>;
  name: string;
  type: string | null;
  device_eui: string | null;
  description: string | null;
  user_id: string | null;
  vwc_unit: "fraction" | "percent" | null;
  ttn_device_id: string | null;
  date_created: Generated<Date>;
}

interface SensorTable {
  id: Generated<number>;
  cell_id: number;
  name: string;
  measurement: string;
  unit: string;
  data_type: DataType;
}

interface ReadingTable {
  ts: Instant;
  value: number | null;
  received_at: Instant;
  logger_id: number | null;
  sensor_id: number;
}

interface ConflictTable extends ReadingTable {
  id: Generated<number>;
  kept_value: number | null;
  kept_received_at: Instant | null;
  kept_logger_id: number | null;
}

interface RollupTable {
  bucket: Instant;
  sum: number;
  min: number | null;
  max: number | null;
  count: number;
  readings: number;
  sensor_id: number;
}

interface RollupFoldTable {
  xid: string;
}

interface RollupDeltaTable {
  xid: Generated<string>;
  id: Generated<number>;
  sensor_ids: number[];
  hours: number[];
  readings: number[];
  counts: number[];
  sums: number[];
  mins: (number | null)[];
  maxs: (number | null)[];
}

interface DirectoryTable {
  version: number;
}

interface ArrivalTable {
  xid: Generated<string>;
  id: Generated<number>;
  stored_at: Generated<Date>;
  sensor_ids: number[];
  instants: number[];
  messages: number[] | null;
}

interface ArrivalLogTable {
  log: number;
  forgotten_xid: string;
  forgotten_id: number;
}

interface LoggerSightingTable {
  logger_id: number;
  cell_id: number;
  first_received_at: Instant;
  /** Null: not since this is noted. */
  last_received_at: Generated<Date | null>;
}

interface QuarantineTable {
  id: Generated<number>;
  received_at: Instant;
  path: string;
  format: string | null;
  headers: JSONColumnType<Record<string, string>>;
  body: Buffer;
  code: string;
  reason: string;
  upload_id: string | null;
  account_id: string | null;
  logger_id: number | null;
  device_eui: string | null;
  cell_ids: number[];
  cell_names: string[];
  logger_numbers: number[];
  decodes: boolean;
  keyed: boolean;
  size_bytes: number;
  replays: Defaulted<number>;
  last_replayed_at: ColumnType<Date | null, undefined, Date>;
  worth: ColumnType<number, never, never>;
}

interface AccountTable {
  id: Generated<string>;
  email: string;
  first_name: string;
  last_name: string;
  password_hash: string | null;
  email_verified: Defaulted<boolean>;
  admin: Defaulted<boolean>;
  created_at: Generated<Date>;
}

interface IdentityTable {
  issuer: string;
  subject: string;
  account_id: string;
}

interface SessionTable {
  id: Generated<string>;
  account_id: string;
  created_at: Instant;
  generation: Defaulted<number>;
  advanced_at: Date;
  revoked_at: ColumnType<Date | null, never, Date>;
}

interface RefreshTokenTable {
  hash: Buffer;
  session_id: string;
  generation: number;
  expires_at: Instant;
}

interface LoginFailureTable {
  subject: string;
  failures: number;
  last_at: Date;
}

interface ApiKeyTable {
  id: Generated<number>;
  account_id: string;
  name: string;
  prefix: string;
  hash: Buffer;
  scopes: string[];
  created_at: Instant;
  expires_at: Date | null;
  last_used_at: ColumnType<Date | null, never, Date>;
}

interface UploadKeyTable {
  id: Generated<number>;
  logger_id: number;
  hash: Buffer;
  created_at: Instant;
  expires_at: Date | null;
}

interface CellMemberTable {
  cell_id: number;
  account_id: string;
  role: "editor" | "viewer";
}

interface DeletedSensorTable {
  sensor_id: number;
  deleted_at: Generated<Date>;
}

interface DeletedCellTable {
  cell_id: number;
  deleted_at: Generated<Date>;
}

interface TagTable {
  id: Generated<number>;
  name: string;
  description: string | null;
  created_at: Generated<Date>;
  created_by: string | null;
}

interface CellTagTable {
  cell_id: number;
  tag_id: number;
}

interface AuditTable {
  id: Generated<number>;
  at: Instant;
  actor: string;
  account_id: string | null;
  address: string | null;
  action: string;
  object_type: string;
  object_id: string;
  cell_id: number | null;
  details: JSONColumnType<object>;
}

export interface LegacyObjectTable {
  kind: "user" | "cell" | "logger" | "tag";
  old_id: string;
  id: string;
}

interface LegacyCellTable {
  cell_id: number;
  vwc_rule: "fraction" | "percent" | "each" | null;
  read_to: JSONColumnType<Record<string, number>>;
  pass: JSONColumnType<{ to: Record<string, number>; reached: number }> | null;
  zone: string | null;
}

interface FileTable {
  id: Generated<string>;
  name: string;
  media_type: string;
  size: Defaulted<number>;
  sha256: ColumnType<Buffer | null, undefined, Buffer>;
  complete: Defaulted<boolean>;
  account_id: string | null;
  origin: string | null;
  task_id: string | null;
  created_at: Generated<Date>;
  expires_at: Date;
}

interface FileChunkTable {
  file_id: string;
  number: number;
  bytes: Buffer;
}

interface TaskTable {
  id: Generated<string>;
  number: Generated<number>;
  kind: string;
  params: JSONColumnType<object>;
  state: Defaulted<TaskState>;
  progress: Defaulted<number>;
  doing: ColumnType<string | null, undefined, string | null>;
  result: JSONColumnType<object> | null;
  file_id: ColumnType<string | null, undefined, string | null>;
  error_code: ColumnType<string | null, undefined, string | null>;
  error: ColumnType<string | null, undefined, string | null>;
  account_id: string | null;
  as_admin: boolean;
  origin: string | null;
  keep_seconds: number;
  max_bytes: number;
  attempts: Defaulted<number>;
  losses: Defaulted<number>;
  worker: ColumnType<string | null, undefined, string | null>;
  heartbeat_at: ColumnType<Date | null, undefined, Date | null>;
  created_at: Generated<Date>;
  ready_at: Generated<Date>;
  started_at: ColumnType<Date | null, undefined, Date | null>;
  finished_at: ColumnType<Date | null, undefined, Date | null>;
  expires_at: ColumnType<Date | null, undefined, Date | null>;
}

/** The database as the migrations leave it. */
export interface Tables {
  cell: CellTable;
  logger: LoggerTable;
  sensor: SensorTable;
  reading: ReadingTable;
  reading_conflict: ConflictTable;
  rollup_hour: RollupTable;
  rollup_day: RollupTable;
  rollup_delta: RollupDeltaTable;
  rollup_fold: RollupFoldTable;
  directory: DirectoryTable;
  arrival: ArrivalTable;
  arrival_log: ArrivalLogTable;
  logger_sighting: LoggerSightingTable;
  quarantine: QuarantineTable;
  account: AccountTable;
  identity: IdentityTable;
  session: SessionTable;
  refresh_token: RefreshTokenTable;
  login_failure: LoginFailureTable;
  api_key: ApiKeyTable;
  upload_key: UploadKeyTable;
  cell_member: CellMemberTable;
  deleted_sensor: DeletedSensorTable;
  deleted_cell: DeletedCellTable;
  tag: TagTable;
  cell_tag: CellTagTable;
  audit: AuditTable;
  legacy_object: LegacyObjectTable;
  legacy_cell: LegacyCellTable;
  file: FileTable;
  file_chunk: FileChunkTable;
  task: TaskTable;
}
