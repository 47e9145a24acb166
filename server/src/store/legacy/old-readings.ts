import { decodeReadings, type OldReading } from "./binary-copy.ts";
import type { OldDatabase } from "./old-database.ts";
import { selectReadings, type OldRange, type Series } from "./series.ts";

/**
 * The readings of some series, ordered by their instant; within one, the first that the old database stored comes
 * first.
 */
export function readOldReadings(
  old: OldDatabase,
  series: readonly Series[],
  range: OldRange,
): AsyncGenerator<readonly OldReading[]> {
  return decodeReadings(
    old.copy(`select nth, at, received_at, logger_id, value
      from (${selectReadings(old, series, range)}) as reading
      order by reading.at, source, id, nth`),
  );
}

/** What there is of a series: rows, and what its first readings of each instant come to. */
export interface OldChecksum {
  /** Readings, those included that came again for an instant. */
  readonly readings: number;
  readonly instants: number;
  /** Unix seconds. */
  readonly first: number;
  readonly last: number;
  /** Of (instant, value), without regard to their order; as \`timeseries/checksum.ts\` makes it. */
  readonly checksum: string;
}

/** @returns those of the streams that have any readings, by the nth group of series that is theirs */
export async function sumUpOld(
  old: OldDatabase,
  groups: readonly (readonly Series[])[],
  range: OldRange,
): Promise<Map<number, OldChecksum>> {
  const series = groups.flat();
  if (series.length === 0) return new Map();
  const groupOf = groups.flatMap((group, at) => group.map(() => at));
  const cases = groupOf.map((group, nth) => `when ${nth} then ${group}`).join(" ");
  const rows = await old.rows<OldChecksum & { readonly stream: number }>(`
    select stream, count(*)::float8 as readings, count(*) filter (where is_first)::float8 as instants,
      extract(epoch from min(at))::float8 as first, extract(epoch from max(at))::float8 as last,
      (sum(hash) filter (where is_first))::text as checksum
    from (
      select stream, at,
        row_number() over (partition by stream, at order by source, id, nth) = 1 as is_first,
        case when value = 'NaN' then hashint8extended(microseconds, 1)
          else hashfloat8extended(value, microseconds) end as hash
      from (
        select *, case nth ${cases} end as stream, (extract(epoch from at) * 1000000)::int8 as microseconds
        from (${selectReadings(old, series, range)}) as reading
      ) as reading
    ) as reading
    group by stream`);
  return new Map(rows.map(({ stream, ...sums }) => [stream, sums]));
}
