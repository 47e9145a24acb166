import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
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

/** The oldest transaction that is under way: all before it are over, and their rows are seen by whoever asks now. */
const safeEnd = sql`pg_snapshot_xmin(pg_current_snapshot())`;

/** The last row that is before that, as [xid, id]; null where there is none. */
const lastRow = sql`(
  select array[xid::text::bigint, id] from arrival where xid < ${safeEnd} order by xid desc, id desc limit 1
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
  const { rows } = await sql<Head & { last: RowPosition | null }>`
    with head as (${head(after)}) select *, ${lastRow} as last from head`.execute(db);
  const { log, last } = check(rows[0]!);
  const end = last && behind(log, last);
  return end && comparePositions(end, after) > 0 ? end : undefined;
}

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
  const { rows } = await sql<Head & Step & Partial<Found>>`
    with head as (${head(after)}),
    step as materialized (
      select * from (
        select xid, id, sensor_ids, instants, messages, count(*) over () as rows,
          sum(cardinality(sensor_ids)) over (order by xid, id) - cardinality(sensor_ids) as keys_before
        from (
          select * from arrival
          where (xid, id) >= (${after.xid}::text::xid8, ${after.id}) and xid < ${safeEnd}
            ${upTo ? sql`and (xid, id) <= (${upTo.xid}::text::xid8, ${upTo.id})` : sql``}
          order by xid, id limit ${most.rows}
        ) as nearest
      ) as counted
      where keys_before < ${most.keys}
    ), found as (
      select * from (
        select step.xid, step.id, key.at, sensor.cell_id, sensor.id as sensor_id, sensor.name, sensor.measurement,
          sensor.unit, key.ts, reading.value, reading.received_at, reading.logger_id,
          coalesce(key.message, 0) as message,
          case when coalesce(key.message, 0) = 0 then key.at
            else min(key.at) over (partition by step.xid, step.id, key.message) end as nth
        from step
        cross join lateral unnest(step.sensor_ids, step.instants, step.messages)
          with ordinality as key (sensor_id, ts, message, at)
        join sensor on sensor.id = key.sensor_id and sensor.cell_id = any(${cellIds}::int[])
        cross join lateral (
          select * from reading where reading.sensor_id = key.sensor_id and reading.ts = to_timestamp(key.ts) offset 0
        ) as reading
      ) as numbered
      where (xid, id, nth) > (${after.xid}::text::xid8, ${after.id}, ${after.nth})
        ${upTo ? sql`and (xid, id, nth) <= (${upTo.xid}::text::xid8, ${upTo.id}, ${upTo.nth})` : sql``}
      order by xid, id, nth
      -- The last message may be longer than what is asked for.
      fetch first ${sql.lit(limit + 1)} rows with ties
    )
    select head.*,
      (select count(*) < ${most.rows} and count(*) = coalesce(max(rows), 0) from step) as "isLast",
      (select array[xid::text::bigint, id] from step order by xid desc, id desc limit 1) as last,
      found.xid::text::bigint as xid, found.id, nth, message, cell_id as "cellId", sensor_id as "sensorId", name,
      measurement, unit, ts, value, extract(epoch from received_at)::float8 as "receivedAt", logger_id as "loggerId"
    from head left join found on true
    order by found.xid, found.id, nth, at`.execute(db);
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

/** What is known of the log as a whole, and whether it reaches back to a position. */
function head({ log, xid, id }: LogPosition) {
  return sql`
    select log,
      log = ${log} and (forgotten_xid, forgotten_id) <= (${xid}::text::xid8, ${id}::bigint)
        and ${xid}::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as "isKnown"
    from arrival_log`;
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
