import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { prepared } from "../db/prepared.ts";
import { defineError, KnownError } from "../lib/errors.ts";

/**
 * A position in the log of what was stored: behind some of its readings, and before all others. Positions are in the order
 * in which transactions began, which is known as soon as none as old is under way: nothing comes before a position that
 * has been read.
 */
export interface LogPosition {
  /** Which log: a database that takes another one's place has another. */
  readonly log: number;
  readonly xid: number;
  /** A row of the transaction. */
  readonly id: number;
  /** A reading of the row, or the first of those that came as one message. */
  readonly nth: number;
}

/** A stored reading, as the log has it. */
export interface ArrivedReading {
  /** The same for those that came as one message. */
  readonly position: LogPosition;
  /** Whether it came in a message of several values, and whether that has its water content as a fraction. */
  readonly inMessage: boolean;
  readonly hasFraction: boolean;
  readonly cellId: number;
  readonly sensorId: number;
  readonly name: string;
  readonly measurement: string;
  readonly unit: string;
  /** Unix seconds. */
  readonly ts: number;
  readonly value: number | null;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
}

/** A part of the log. */
export interface LogPart {
  /** In order; those of one message are side by side. */
  readonly readings: readonly ArrivedReading[];
  /** Where the next part begins. */
  readonly next: LogPosition;
  /** Whether that is all there was. */
  readonly isWhole: boolean;
}

const cursorGone = defineError(
  "gone",
  "cursor_gone",
  "What came after this cursor is no longer known: read it from /api/readings, and begin anew without a cursor",
);

/** Whether the log doesn't reach back to where someone was. */
export function isCursorGone(error: unknown): error is KnownError {
  return error instanceof KnownError && error.kind === "gone";
}

/** What one part looks at in the log, whosever it is. */
const most = { rows: 500, keys: 20_000 } as const;

/** The last row before the oldest transaction that is under way, as [xid, id]; null where there is none. */
const lastRow = sql`(
  select array[xid::text::bigint, id] from arrival where xid < pg_snapshot_xmin(pg_current_snapshot())
  order by xid desc, id desc limit 1
)`;

/**
 * The end of the log: nothing that is not yet behind it comes before it. It is behind a row, which is on the disk, and
 * not at a transaction, whose number is given again after a crash.
 */
export async function findLogEnd(db: Db): Promise<LogPosition> {
  const { rows } = await sql<{ log: number; last: RowPosition | null; forgotten: RowPosition }>`
    select log, ${lastRow} as last, array[forgotten_xid::text::bigint, forgotten_id] as forgotten
    from arrival_log`.execute(db);
  const { log, last, forgotten } = rows[0]!;
  if (last) return behind(log, last);
  const [xid, id] = forgotten;
  return { log, xid, id, nth: 0 };
}

/** The end of the log, where something is behind a position; else undefined. @throws KnownError as listArrivals does */
export async function findNews(db: Db, after: LogPosition): Promise<LogPosition | undefined> {
  const { xid, id } = after;
  const { rows } = await sql<Head & { last: RowPosition | null }>`
    select log, ${lastRow} as last,
      log = ${after.log} and (forgotten_xid, forgotten_id) <= (${xid}::text::xid8, ${id}::bigint)
        and ${xid}::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as "isKnown"
    from arrival_log`.execute(db);
  const { log, last } = check(rows[0]!);
  const end = last && behind(log, last);
  return end && comparePositions(end, after) > 0 ? end : undefined;
}

const arrivals = prepared<Head & Step & Partial<Found>>(`
  select log, is_known as "isKnown", is_last as "isLast", last, xid, id, nth, message, cell_id as "cellId",
    sensor_id as "sensorId", name, measurement, unit, ts, value, received_at as "receivedAt", logger_id as "loggerId"
  from list_arrivals($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`);

/**
 * What was stored in some cells behind a position in the log, as far as one part goes.
 *
 * @param upTo where the part ends at the latest; undefined: at the end of the log
 * @param limit readings at most, but for those of one message; these are all there, or none of them
 * @throws KnownError when the log no longer reaches back as far, or is another one
 */
export async function listArrivals(
  db: Db,
  {
    after,
    upTo,
    cellIds,
    limit,
  }: {
    readonly after: LogPosition;
    readonly upTo?: LogPosition | undefined;
    readonly cellIds: readonly number[];
    readonly limit: number;
  },
): Promise<LogPart> {
  const { rows } = await arrivals(db, [
    after.log,
    after.xid,
    after.id,
    after.nth,
    upTo?.xid,
    upTo?.id,
    upTo?.nth,
    cellIds,
    most.rows,
    most.keys,
    // The last message may be longer than what is asked for.
    limit + 1,
  ]);
  const { log, isLast, last } = check(rows[0]!);
  const found = rows.flatMap((row) => (isFound(row) ? [toReading(row, log)] : []));
  if (found.length > limit) {
    const readings = withoutLastMessage(found);
    return { readings, next: readings.at(-1)!.position, isWhole: false };
  }
  const end = last ? behind(log, last) : after;
  return { readings: found, next: isLast && upTo ? upTo : end, isWhole: isLast };
}

/** Which row of the log. */
type RowPosition = readonly [xid: number, id: number];

interface Head {
  readonly log: number;
  /** Whether the log reaches back to a position. */
  readonly isKnown: boolean;
}

interface Step {
  readonly isLast: boolean;
  readonly last: RowPosition | null;
}

interface Found extends Omit<ArrivedReading, "position" | "inMessage" | "hasFraction"> {
  readonly xid: number;
  readonly id: number;
  readonly nth: number;
  readonly message: number;
}

function check<Row extends Head>(row: Row): Row {
  if (!row.isKnown) throw cursorGone();
  return row;
}

function isFound<Row extends object>(row: Row & Partial<Found>): row is Row & Found {
  return row.nth !== null;
}

function toReading({ xid, id, nth, message, ...reading }: Found, log: number): ArrivedReading {
  const { cellId, sensorId, name, measurement, unit, ts, value, receivedAt, loggerId } = reading;
  return {
    position: { log, xid, id, nth },
    inMessage: message !== 0,
    hasFraction: message < 0,
    cellId,
    sensorId,
    name,
    measurement,
    unit,
    ts,
    value,
    receivedAt,
    loggerId,
  };
}

/** The last message comes next, unless it is all there is. */
function withoutLastMessage(readings: readonly ArrivedReading[]): readonly ArrivedReading[] {
  const { position: last } = readings.at(-1)!;
  const others = readings.filter(({ position }) => comparePositions(position, last) < 0);
  return others.length > 0 ? others : readings;
}

function behind(log: number, [xid, id]: RowPosition): LogPosition {
  return { log, xid, id: id + 1, nth: 0 };
}

/** Negative where `a` comes before `b`, 0 where they are the same. Positions of one log. */
export function comparePositions(a: LogPosition, b: LogPosition): number {
  return a.xid - b.xid || a.id - b.id || a.nth - b.nth;
}

/** What the log may hold. */
interface LogLimits {
  readonly age_s: number;
  readonly size_bytes: number;
}

/** What a reading takes in it, and a row beside its readings. */
const reading_bytes = 12;
const row_bytes = 100;
/** Few enough that a batch takes milliseconds. */
const batch_rows = 1000;

/**
 * Forgets what is older than the log's limits allow, a few rows at a time. Who comes with a cursor from before is told
 * so. Of several processes one does it.
 *
 * @param signal ends it between two batches
 */
export async function forgetArrivals(
  db: Db,
  limits: LogLimits,
  signal?: AbortSignal,
): Promise<void> {
  const isOver = (): boolean => signal?.aborted ?? false;
  let excess_bytes = await measureExcess(db, limits.size_bytes);
  while (!isOver()) {
    const { rows, bytes } = await forgetBatch(db, limits.age_s, excess_bytes);
    excess_bytes -= bytes;
    if (rows < batch_rows) return;
  }
}

/** By how much the log is too large. Its rows are counted only where its files are, which keep the room of old rows. */
async function measureExcess(db: Db, most_bytes: number): Promise<number> {
  const { rows: sizes } = await sql<{ bytes: number }>`
    select pg_table_size('arrival') as bytes`.execute(db);
  if (sizes[0]!.bytes <= most_bytes) return 0;
  const { rows } = await sql<{ bytes: number }>`
    select coalesce(sum(${weight}), 0)::bigint as bytes from arrival`.execute(db);
  return rows[0]!.bytes - most_bytes;
}

const weight = sql`(${row_bytes} + ${reading_bytes} * cardinality(sensor_ids))`;

/** Deletes the oldest rows as far as they are too old or too many. */
async function forgetBatch(
  db: Db,
  age_s: number,
  excess_bytes: number,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const { rows } = await sql<{ rows: number; bytes: number }>`
    with log as (
      select log from arrival_log for update skip locked
    ), oldest as (
      select xid, id, stored_at, ${weight} as bytes,
        sum(${weight}) over (order by xid, id) - ${weight} as bytes_before
      from (select * from arrival, log order by xid, id limit ${batch_rows}) as first
    ), gone as (
      delete from arrival using oldest
      where arrival.xid = oldest.xid and arrival.id = oldest.id
        and (bytes_before < ${excess_bytes}::bigint or oldest.stored_at < now() - make_interval(secs => ${age_s}))
      returning arrival.xid, arrival.id, bytes
    ), noted as (
      update arrival_log set forgotten_xid = last.xid, forgotten_id = last.id + 1
      from (select xid, id from gone order by xid desc, id desc limit 1) as last
    )
    select count(*)::int as rows, coalesce(sum(bytes), 0)::bigint as bytes from gone`.execute(db);
  return rows[0]!;
}
