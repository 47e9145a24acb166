import type { Db } from "../db/connect.ts";
import { chooseResample } from "./choose.ts";
import type { TimestampFormat } from "./columns.ts";
import { clip, isEmpty, measure, type Measured } from "./measure.ts";
import { toBuckets, type Buckets, type Range, type Resample } from "./resample.ts";
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
  readonly envelope: boolean;
  readonly timestamps: TimestampFormat;
}

/** Resolves a query on some sensors; they are measured where the answer depends on what there is. */
export async function resolve(db: Db, ids: readonly number[], query: Query): Promise<Resolved> {
  const depends =
    query.resample === "auto" ||
    (query.tz !== "UTC" && toBuckets(query.resample).kind === "calendar");
  if (!depends) return await resolveMeasured(db, undefined, query);
  return await resolveMeasured(db, await measure(db, ids, query.range), query);
}

/** Resolves a query on sensors that were measured: its range ends where their readings do. */
export async function resolveMeasured(
  db: Db,
  measured: readonly Measured[] | undefined,
  query: Query,
): Promise<Resolved> {
  const { tz, points } = query;
  const range = measured ? clip(query.range, measured) : query.range;
  const resample =
    query.resample === "auto"
      ? chooseResample({ range, points, tz, measured: measured ?? [] })
      : query.resample;
  const buckets = toBuckets(resample);
  const isZones = buckets.kind === "calendar" && tz !== "UTC" && !isEmpty(range);
  const starts = isZones ? await listStarts(db, tz, buckets.unit, range) : undefined;
  return {
    range,
    resample,
    buckets,
    starts,
    envelope: query.envelope && buckets.kind !== "none",
    timestamps: query.timestamps,
  };
}
