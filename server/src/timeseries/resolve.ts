import type { Db } from "../db/connect.ts";
import { chooseResample } from "./choose.ts";
import type { TimestampFormat } from "./columns.ts";
import { clip, countInstants, isEmpty, listDays, measure, type Measured } from "./measure.ts";
import { toBuckets, type Buckets, type Range, type Resample } from "./resample.ts";
import { keepTouching } from "./spans.ts";
import { listStarts } from "./zone.ts";

/** Which readings, and how thinned out. */
export interface Query {
  readonly range: Range;
  /** `auto`: the finest that gives a sensor at most `points` instants or buckets. */
  readonly resample: Resample | "auto";
  readonly points: number;
  /** The zone, in the IANA database, of days and longer buckets. */
  readonly tz: string;
  /** Whether the least and the greatest value of a bucket are answered beside the mean. Readings have none. */
  readonly envelope: boolean;
  readonly timestamps: TimestampFormat;
}

/** A query of which everything is known that can be before its readings are read. */
export interface Resolved {
  readonly range: Range;
  readonly resample: Resample;
  readonly buckets: Buckets;
  /** Starts of buckets, where they are a zone's; undefined where UTC's hours and days have their edges too. */
  readonly starts: readonly number[] | undefined;
  /** UTC's days that have readings, where these alone are looked into: `starts` are those of their buckets then. */
  readonly days: readonly number[] | undefined;
  readonly envelope: boolean;
  readonly timestamps: TimestampFormat;
}

/** Buckets of a zone are looked into one by one: beyond so many it is found out first which of them hold something. */
const mostLookedInto = 1_000;

/** Resolves a query on sensors side by side; they are measured where the answer depends on what there is. */
export async function resolve(db: Db, ids: readonly number[], query: Query): Promise<Resolved> {
  const depends =
    query.resample === "auto" ||
    (query.tz !== "UTC" && toBuckets(query.resample).kind === "calendar");
  if (!depends) return await resolveMeasured(db, undefined, query);
  const measured = await measure(db, ids, query.range);
  if (query.resample !== "auto") return await resolveMeasured(db, measured, query);
  const instants = await countTogether(db, ids, measured, query);
  return await resolveMeasured(db, measured, query, instants);
}

/** How many instants sensors have together, as far as it matters whether these are more than the query's points. */
async function countTogether(
  db: Db,
  ids: readonly number[],
  measured: readonly Measured[],
  { range, points }: Query,
): Promise<number> {
  const most = mostOf(measured);
  const sum = measured.reduce((total, { readings }) => total + readings, 0);
  const isClear = most > points || sum <= points;
  return isClear ? most : await countInstants(db, ids, clip(range, measured));
}

function mostOf(measured: readonly Measured[]): number {
  return Math.max(0, ...measured.map(({ readings }) => readings));
}

/**
 * Resolves a query on sensors that were measured: its range ends where their readings do.
 *
 * @param instants how many an answer has that thins out nothing; undefined: each sensor has an answer of its own
 */
export async function resolveMeasured(
  db: Db,
  measured: readonly Measured[] | undefined,
  query: Query,
  instants = mostOf(measured ?? []),
): Promise<Resolved> {
  const { tz, points } = query;
  const range = measured ? clip(query.range, measured) : query.range;
  const resample =
    query.resample === "auto"
      ? chooseResample({ range, points, tz, measured: measured ?? [], instants })
      : query.resample;
  const buckets = toBuckets(resample);
  const isZones = buckets.kind === "calendar" && tz !== "UTC" && !isEmpty(range);
  const starts = isZones ? await listStarts(db, tz, buckets.unit, range) : undefined;
  const ids = measured?.map(({ sensorId }) => sensorId) ?? [];
  const days =
    starts && starts.length > mostLookedInto ? await listDays(db, ids, range) : undefined;
  return {
    range,
    resample,
    buckets,
    starts: starts && days ? keepTouching(starts, days) : starts,
    days,
    envelope: query.envelope && buckets.kind !== "none",
    timestamps: query.timestamps,
  };
}
