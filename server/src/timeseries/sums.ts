import { sql } from "kysely";
import { hour_s } from "../lib/duration.ts";
import type { PowerInstant, Row } from "./batch.ts";

/** What some readings of one hour, in UTC, add to rollups. */
export interface Sum {
  readonly sensorId: number;
  /** Its start, in Unix seconds. */
  readonly hour: number;
  /** All of them, those without a value included. */
  readonly readings: number;
  /** Those that the following are of: numbers that a sum can hold. */
  readonly count: number;
  readonly sum: number;
  readonly min: number | null;
  readonly max: number | null;
}

/** Larger values, which only a corrupted message has, are left out of sums: they would leave the range of numbers. */
const largest = 1e150;

/** The same for an aggregate in SQL: it is of those values of a table's rows that count. */
export const thoseThatCount = sql`filter (where abs(value) < ${sql.lit(largest)})`;

/** What rows, ordered by their key, add to each hour; in the same order. */
export function sumUp(rows: readonly Row[]): Sum[] {
  const sums: Mutable<Sum>[] = [];
  let last: Mutable<Sum> | undefined;
  for (const { sensorId, ts, value } of rows) {
    const hour = Math.floor(toMicroseconds(ts) / (hour_s * 1e6)) * hour_s;
    if (last?.sensorId !== sensorId || last.hour !== hour)
      sums.push((last = { sensorId, hour, readings: 0, count: 0, sum: 0, min: null, max: null }));
    add(last, value);
  }
  return sums;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Seconds from 1970 to 2000, which PostgreSQL counts from. */
const epoch_s = 946_684_800;

/** The whole microseconds that `to_timestamp` makes of an instant, by the same steps: a border is nothing to be near. */
function toMicroseconds(ts: number): number {
  return roundToEven((ts - epoch_s) * 1e6) + epoch_s * 1e6;
}

function roundToEven(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function add(sum: Mutable<Sum>, value: number | null): void {
  sum.readings += 1;
  if (value === null || Math.abs(value) >= largest) return;
  sum.count += 1;
  sum.sum += value;
  sum.min = sum.min === null ? value : Math.min(sum.min, value);
  sum.max = sum.max === null ? value : Math.max(sum.max, value);
}

/**
 * The power of instants of which both halves are here: mV·µA/1000 = µW. What is next to nothing has no power, and what
 * is past all bounds has none to tell: PostgreSQL fails where a product leaves the range of its numbers.
 */
export function powerOf({ powerId, ts, voltage, current }: PowerInstant): Row[] {
  const [v, i] = [voltage?.value, current?.value];
  if (v === undefined || v === null || i === undefined || i === null) return [];
  const [smaller, larger] = [Math.abs(v), Math.abs(i)].sort((a, b) => a - b);
  if (larger! >= 1e50) return [];
  const value = smaller! < 1e-150 ? 0 : (v * i) / 1000;
  const receivedAt = Math.max(voltage!.receivedAt, current!.receivedAt);
  return [{ sensorId: powerId, ts, value, receivedAt, loggerId: voltage!.loggerId }];
}
