import type { Stream } from "@ents-backend/schemas/sensor";
import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { readSnapshot } from "../db/transact.ts";
import {
  listColumns,
  nameColumns,
  toChunk,
  writeInstant,
  type Chunk,
  type ChunkRow,
  type TimestampFormat,
} from "./columns.ts";
import { isEmpty } from "./measure.ts";
import { meanOf, selectPartials, selectReadings } from "./partials.ts";
import type { Range } from "./resample.ts";
import type { Resolved } from "./resolve.ts";
import { findSensors, streamKey } from "./sensors.ts";
import type { SpanPlan } from "./spans.ts";
import { walk } from "./walk.ts";

/** A column of a table. */
export interface Column {
  /** Undefined makes a column of nulls. */
  readonly sensorId: number | undefined;
  /** Whether its values are cut to whole numbers, towards zero. */
  readonly whole?: boolean;
}

/** The columns of some streams of a cell; one that the cell doesn't have is without a sensor. */
export async function findColumns(
  db: Db,
  cellId: number,
  streams: readonly (Pick<Stream, "name" | "measurement"> & Pick<Column, "whole">)[],
): Promise<Column[]> {
  const sensors = await findSensors(db, cellId, streams);
  return streams.map((stream) => ({
    sensorId: sensors.get(streamKey(stream))?.id,
    ...(stream.whole && { whole: true }),
  }));
}

/** The sensors that columns are of, each once. */
export function sensorsOf(columns: readonly Column[]): number[] {
  const ids = columns.map(({ sensorId }) => sensorId).filter((id) => id !== undefined);
  return [...new Set(ids)];
}

/**
 * Reads some sensors side by side over one time axis, oldest first, in chunks: one at least. A bucket has its mean,
 * stamped with its start. With an envelope the columns come thrice: means, then the least values, then the greatest.
 */
export async function* readTable(
  db: Db,
  columns: readonly Column[],
  resolved: Resolved,
): AsyncGenerator<Chunk> {
  const ids = sensorsOf(columns);
  if (ids.length === 0 || isEmpty(resolved.range)) {
    const count = columns.length * (resolved.envelope ? 3 : 1);
    yield { timestamp: "", columns: Array.from({ length: count }, () => ""), last: true };
  } else
    for await (const { plan, last } of walk(db, ids, resolved)) {
      const chunk = await readColumns(db, ...selectTable(ids, columns, plan, resolved));
      yield { ...chunk, last };
    }
}

/** Instants that are read at once by the time of their arrival. */
const arrivalsAtOnce = 600;

/**
 * Reads some sensors side by side, selected, ordered and stamped by the time their readings arrived, in chunks: one at
 * least. No key has them in that order, so PostgreSQL sorts them once, on its disk where they are many, and a
 * connection is held until the last chunk is read.
 */
export async function* readByArrival(
  db: Db,
  columns: readonly Column[],
  range: Range,
  timestamps: TimestampFormat,
): AsyncGenerator<Chunk> {
  const cells = columns.map((column) => sql`${pick(column, sql`max(value)`)}::text`);
  const rows = sql`
    select ${writeInstant(sql`max(received_at)`, timestamps)} as t, ${nameColumns(cells)}
    from reading
    where sensor_id = any(${sensorsOf(columns)}::int[])
      and received_at between to_timestamp(${range.start}) and to_timestamp(${range.end})
    group by ts order by max(received_at), ts`;
  yield* readSnapshot(db, async function* (snapshot) {
    await sql`declare arrivals no scroll cursor for ${rows}`.execute(snapshot);
    for (let last = false; !last;) {
      const fetched =
        await sql<ArrivalRow>`fetch ${sql.raw(String(arrivalsAtOnce))} from arrivals`.execute(
          snapshot,
        );
      last = fetched.rows.length < arrivalsAtOnce;
      yield { ...toLists(fetched.rows.splice(0), cells.length), last };
    }
  });
}

interface ArrivalRow extends Readonly<Record<`c${number}`, string | null>> {
  readonly t: string;
}

function toLists(rows: readonly ArrivalRow[], count: number): Omit<Chunk, "last"> {
  const list = (name: keyof ArrivalRow) => rows.map((row) => row[name] ?? "null").join(",");
  return {
    timestamp: list("t"),
    columns: Array.from({ length: count }, (_, at) => list(`c${at}`)),
  };
}

function selectTable(
  ids: readonly number[],
  columns: readonly Column[],
  plan: SpanPlan,
  { buckets, starts, envelope, timestamps }: Resolved,
): [rows: RawBuilder<unknown>, count: number] {
  const isRaw = buckets.kind === "none";
  const values = (of: (column: Column) => RawBuilder<unknown>) => columns.map(of);
  const cells = isRaw
    ? values((column) => pick(column, sql`max(value)`))
    : [
        ...values((column) => mean(column)),
        ...(envelope ? values((column) => pick(column, sql`min(min)`)) : []),
        ...(envelope ? values((column) => pick(column, sql`max(max)`)) : []),
      ];
  const source = isRaw
    ? selectReadings(ids, plan.reading)
    : selectPartials(ids, plan, { buckets, starts });
  const rows = sql`
    select ${writeInstant(sql`bucket`, timestamps)} as t, ${nameColumns(cells)}
    from (${source}) as part group by bucket order by bucket`;
  return [rows, cells.length];
}

/** An aggregate over the rows of a column's sensor. */
function pick(column: Column, aggregate: RawBuilder<unknown>): RawBuilder<unknown> {
  if (column.sensorId === undefined) return sql`null::float8`;
  return cut(column, sql`${aggregate} filter (where sensor_id = ${column.sensorId})`);
}

function mean(column: Column): RawBuilder<unknown> {
  if (column.sensorId === undefined) return sql`null::float8`;
  const ofSensor = sql`filter (where sensor_id = ${column.sensorId})`;
  return cut(column, meanOf(sql`sum(sum) ${ofSensor}`, sql`sum(count) ${ofSensor}`));
}

/** Adding nothing makes a zero of the negative one, which is no whole number. */
function cut({ whole }: Column, value: RawBuilder<unknown>): RawBuilder<unknown> {
  return whole ? sql`(trunc(${value}) + 0)` : value;
}

async function readColumns(
  db: Db,
  rows: RawBuilder<unknown>,
  count: number,
): Promise<Omit<Chunk, "last">> {
  const answer = await sql<ChunkRow>`
    select ${listColumns(count)} from (${rows}) as row`.execute(db);
  // Taken out, since answers of the driver survive one another's collection: texts left in them would fill the old heap.
  return toChunk(answer.rows.pop()!, count);
}
