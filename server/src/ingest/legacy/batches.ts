import type { OldReading } from "../../store/legacy/binary-copy.ts";
import type { Series } from "../../store/legacy/series.ts";
import type { NewReading } from "../../timeseries/write.ts";

/** Some readings of a cell that are stored in one transaction. */
export interface MoveBatch {
  readonly readings: readonly NewReading[];
  /** Readings that stood there twice, with the same value. */
  readonly repeated: number;
  /** Up to this instant it is all of the cell's, Unix seconds. */
  readonly reached: number;
}

/** One transaction: with more of them, devices that upload to the same cell would have to wait for longer. */
const batch_readings = 5_000;

/**
 * Cuts a cell's readings, which come ordered by instant, into batches, between two instants: so both halves of a power are in
 * one. What stands there twice is taken once.
 *
 * @param series which a reading's nth says
 */
export async function* cutBatches(
  parts: AsyncIterable<readonly OldReading[]>,
  series: readonly Series[],
): AsyncGenerator<MoveBatch> {
  const streams = distinctStreams(series);
  let readings: NewReading[] = [];
  let repeated = 0;
  let instant = { ts: -Infinity, values: new Map<number, number | null>() };
  for await (const part of parts)
    for (const old of part) {
      if (old.ts !== instant.ts) {
        if (readings.length >= batch_readings) {
          yield { readings, repeated, reached: instant.ts };
          [readings, repeated] = [[], 0];
        }
        instant = { ts: old.ts, values: new Map() };
      }
      const stream = streams[old.nth]!;
      const known = instant.values.get(stream);
      if (known !== undefined && known === old.value) {
        repeated += 1;
        continue;
      }
      if (known === undefined) instant.values.set(stream, old.value);
      readings.push(toReading(old, series[old.nth]!));
    }
  if (readings.length > 0) yield { readings, repeated, reached: instant.ts };
}

/** Of each series, which stream it is: several may be of one. */
function distinctStreams(series: readonly Series[]): number[] {
  const keys = series.map(({ stream }) => JSON.stringify([stream.name, stream.measurement]));
  return keys.map((key) => keys.indexOf(key));
}

function toReading(
  { ts, receivedAt, loggerId, value }: OldReading,
  { cellId, stream, dataType }: Series,
): NewReading {
  const isWhole = value === null || Number.isInteger(value);
  return {
    cellId,
    stream,
    dataType: isWhole ? dataType : "float",
    ts,
    value,
    receivedAt,
    loggerId,
  };
}
