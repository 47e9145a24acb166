import { sql, type RawBuilder } from "kysely";
import { decodeArray, type ArrayKind } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";
import { mergeRuns } from "../lib/merge-runs.ts";
import { meanOf, planParts, selectPartials } from "./partials.ts";
import type { Resolved } from "./resolve.ts";
import type { Span } from "./spans.ts";

/**
 * Readings, or the means of buckets, of many sensors in the order of time, and at one instant in the order of the
 * sensors. Columns of numbers: objects, a million of them, would take long to make and to collect.
 */
export interface Rows {
  readonly length: number;
  /** The places of the rows' sensors among those that were asked for. */
  readonly sensor: Uint16Array;
  /** Microseconds since 1970, UTC. */
  readonly at: Float64Array;
  /** NaN: a reading without a value, or a bucket of such readings. */
  readonly value: Float64Array;
  /** How the readings came, where that was asked for. */
  readonly origin: Origin | undefined;
}

interface Origin {
  /** Microseconds since 1970, UTC. */
  readonly receivedAt: Float64Array;
  /** NaN: nobody said which logger. */
  readonly loggerId: Float64Array;
}

/**
 * Reads the rows of some sensors in a span. PostgreSQL answers them as arrays in its binary form, for each sensor and
 * column one: neither side turns numbers into text.
 *
 * @param origin whether it is read how readings came; means have come in no way
 */
export async function readRows(
  db: Db,
  ids: readonly number[],
  resolved: Resolved,
  { span, origin }: { readonly span: Span; readonly origin: boolean },
): Promise<Rows> {
  const runs =
    resolved.buckets.kind === "none"
      ? selectReadings(ids, span, origin)
      : selectMeans(ids, resolved, span);
  // Taken out, since answers of the driver survive one another's collection.
  const { rows } = await runs.execute(db);
  return bringTogether(rows.splice(0));
}

/** The columns of a run, and what they are in PostgreSQL. */
const kinds = {
  at: "timestamptz",
  value: "float8",
  receivedAt: "timestamptz",
  loggerId: "int8",
} as const satisfies Readonly<Record<string, ArrayKind>>;
type ColumnName = keyof typeof kinds;

/** The rows of one sensor, in the order of time: arrays as `array_send` writes them. */
interface Run extends Readonly<Record<"at" | "value", Buffer>> {
  readonly receivedAt?: Buffer;
  readonly loggerId?: Buffer;
  /** The sensor's place, from 1. */
  readonly place: number;
  readonly length: number;
}

/** Each sensor is looked up by itself: its span lies side by side in the key, in order, with the values in it. */
function selectReadings(
  ids: readonly number[],
  { from, to, closed }: Span,
  origin: boolean,
): RawBuilder<Run> {
  const arrays = origin
    ? sql`, array_send(array_agg(received_at)) as "receivedAt", array_send(array_agg(logger_id)) as "loggerId"`
    : sql``;
  return sql<Run>`
    select place::int, run.*
    from unnest(${ids}::int[]) with ordinality as sensor (id, place)
    cross join lateral (
      select count(*)::int as length, array_send(array_agg(ts)) as at, array_send(array_agg(value)) as value ${arrays}
      from (
        select ts, value ${origin ? sql`, received_at, logger_id` : sql``} from reading
        where sensor_id = sensor.id and ts >= to_timestamp(${from}) and ts <= to_timestamp(${to})
          and (${closed} or ts < to_timestamp(${to}))
        order by ts
      ) as part
    ) as run
    where length > 0 order by place`;
}

function selectMeans(
  ids: readonly number[],
  resolved: Resolved,
  { from, to, closed }: Span,
): RawBuilder<Run> {
  const plan = planParts({ ...resolved, range: { start: from, end: to } });
  const reading = plan.reading.map((span) => ({ ...span, closed: span.closed && closed }));
  return sql<Run>`
    select array_position(${ids}::int[], sensor_id) as place, count(*)::int as length,
      array_send(array_agg(bucket)) as at, array_send(array_agg(mean)) as value
    from (
      select sensor_id, bucket, ${meanOf(sql`sum(sum)`, sql`sum(count)`)} as mean
      from (${selectPartials(ids, { ...plan, reading }, resolved)}) as part
      group by sensor_id, bucket order by sensor_id, bucket
    ) as point
    group by sensor_id order by place`;
}

function bringTogether(runs: readonly Run[]): Rows {
  const starts: number[] = [];
  let length = 0;
  for (const run of runs) {
    starts.push(length);
    length += run.length;
  }
  const decoded = (name: ColumnName) => decodeColumn(runs, name, length);
  const at = decoded("at");
  const order = mergeRuns(at, starts);
  const ordered = (name: ColumnName) => inOrder(decoded(name), order, new Float64Array(length));
  return {
    length,
    sensor: inOrder(placesOf(runs, length), order, new Uint16Array(length)),
    at: inOrder(at, order, new Float64Array(length)),
    value: ordered("value"),
    origin: runs[0]?.receivedAt && {
      receivedAt: ordered("receivedAt"),
      loggerId: ordered("loggerId"),
    },
  };
}

function decodeColumn(runs: readonly Run[], name: ColumnName, length: number): Float64Array {
  const column = new Float64Array(length);
  let start = 0;
  for (const run of runs) {
    decodeArray(kinds[name], run[name]!, column.subarray(start, start + run.length));
    start += run.length;
  }
  return column;
}

function placesOf(runs: readonly Run[], length: number): Uint16Array {
  const places = new Uint16Array(length);
  let start = 0;
  for (const run of runs) {
    places.fill(run.place - 1, start, start + run.length);
    start += run.length;
  }
  return places;
}

function inOrder<Column extends Float64Array | Uint16Array>(
  column: Column,
  order: Uint32Array,
  into: Column,
): Column {
  for (let row = 0; row < order.length; row++) into[row] = column[order[row]!]!;
  return into;
}

/** Rows that come after one another, as one. */
export function joinRows(parts: readonly Rows[]): Rows {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const join = (pick: (rows: Rows) => Float64Array) =>
    fill(parts.map(pick), new Float64Array(length));
  return {
    length,
    sensor: fill(
      parts.map(({ sensor }) => sensor),
      new Uint16Array(length),
    ),
    at: join(({ at }) => at),
    value: join(({ value }) => value),
    origin: parts[0]?.origin && {
      receivedAt: join(({ origin }) => origin!.receivedAt),
      loggerId: join(({ origin }) => origin!.loggerId),
    },
  };
}

function fill<Column extends Float64Array | Uint16Array>(
  parts: readonly Column[],
  into: Column,
): Column {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}
