import { setTimeout as sleep } from "node:timers/promises";
import { expect, vi } from "vitest";
import { keyOf, types, valueOf, type Entry, type Ledger } from "./ledger.ts";
import type { Product } from "./product.ts";

/** How long it may take after a start until what was acknowledged is in the database. */
const replay_ms = 60_000;

interface StoredReading extends Entry {
  readonly value: number;
}

/** Everything that the database holds of the readings, at one moment. */
interface Books {
  readonly readings: readonly StoredReading[];
  /** The instants of power, of the products of what is stored, and where they differ. */
  readonly powerFaults: number;
  readonly rollupFaults: number;
  readonly conflicts: number;
}

/**
 * Expects that everything is there that was acknowledged, and nothing that was never sent; that power is there where
 * both of its halves are, and rollups are what the readings come to.
 */
export async function expectKept(
  product: Product,
  ledger: Ledger,
  acknowledged: readonly Entry[],
): Promise<void> {
  await untilReady(product);
  const books = await untilThere(product, acknowledged);
  expect(missing(acknowledged, books)).toEqual([]);
  const keys = books.readings.map(keyOf);
  expect(new Set(keys).size).toBe(keys.length);
  expect(books.readings.filter((reading) => !ledger.wasSent(reading))).toEqual([]);
  const { powerFaults, rollupFaults, conflicts } = books;
  expect({ powerFaults, rollupFaults, conflicts }).toEqual({
    powerFaults: 0,
    rollupFaults: 0,
    conflicts: 0,
  });
}

/** Waits until the server says that nothing is left to be done from before, where it has a way to say so. */
export async function untilReady({ url }: Product): Promise<void> {
  const ready = async () => [200, 404].includes((await fetch(`${url}/readyz`)).status);
  const options = { timeout: replay_ms, interval: 100 };
  await vi.waitFor(async () => expect(await ready()).toBe(true), options);
}

/** The books once they are complete, or as they are when there is no more time. */
async function untilThere(product: Product, acknowledged: readonly Entry[]): Promise<Books> {
  for (const deadline = performance.now() + replay_ms; ; await sleep(200)) {
    const books = await readBooks(product);
    if (missing(acknowledged, books).length === 0 || performance.now() > deadline) return books;
  }
}

function missing(acknowledged: readonly Entry[], { readings }: Books): Entry[] {
  const stored = new Map(readings.map((reading) => [keyOf(reading), reading.value]));
  return acknowledged.filter((entry) => stored.get(keyOf(entry)) !== valueOf(entry));
}

/** One statement, so that all of it is of one moment. */
async function readBooks(product: Product): Promise<Books> {
  const [row] = await product.query<Omit<Books, "readings"> & Record<"columns", Columns>>(
    `with stored as (
      select cell_id, name, extract(epoch from ts)::float8 as ts, value, sensor_id
      from reading join sensor on sensor.id = sensor_id
    ), product as (
      select cell_id, ts, v.value * i.value / 1000 as value
      from stored as v join stored as i using (cell_id, ts)
      where v.name = 'POWER_VOLTAGE' and i.name = 'POWER_CURRENT'
    ), power as (
      select cell_id, ts, value from stored where name = 'POWER'
    )
    select
      (select json_build_object(
        'cellId', coalesce(json_agg(cell_id), '[]'), 'name', coalesce(json_agg(name), '[]'),
        'ts', coalesce(json_agg(ts), '[]'), 'value', coalesce(json_agg(value), '[]'))
        from stored where name <> 'POWER') as columns,
      (select count(*)::int from product full join power using (cell_id, ts)
        where product.value is distinct from power.value) as "powerFaults",
      (select count(*)::int from (${faultsOf("hour")} union all ${faultsOf("day")}) as fault)
        as "rollupFaults",
      (select count(*)::int from reading_conflict) as conflicts`,
  );
  return { ...row!, readings: toReadings(row!.columns) };
}

/**
 * Buckets of a rollup that don't hold what the readings come to, with what isn't folded into it yet; a sum only but for
 * the last digits, for its order is free.
 */
function faultsOf(unit: "hour" | "day"): string {
  return `
    select sensor_id, bucket from (
      select sensor_id, bucket, sum(readings) as readings, sum(count) as count, sum(sum) as sum, min(min) as min, max(max) as max
      from (
        select sensor_id, bucket, readings, count, sum, min, max from rollup_${unit}
        union all
        select delta.sensor_id, date_trunc('${unit}', to_timestamp(hour), 'UTC'), delta.readings, count, sum, min, max
        from rollup_delta as batch
        cross join unnest(batch.sensor_ids, hours, batch.readings, counts, sums, mins, maxs)
          as delta (sensor_id, hour, readings, count, sum, min, max)
      ) as part
      group by 1, 2
    ) as kept full join (
      select sensor_id, date_trunc('${unit}', ts, 'UTC') as bucket, count(*) as readings, count(value) as count,
        coalesce(sum(value), 0) as sum, min(value) as min, max(value) as max
      from reading group by 1, 2
    ) as raw using (sensor_id, bucket)
    where kept.readings is distinct from raw.readings or kept.count is distinct from raw.count
      or kept.min is distinct from raw.min or kept.max is distinct from raw.max
      or not abs(kept.sum - raw.sum) <= 1e-9 * abs(raw.sum)`;
}

interface Columns {
  readonly cellId: readonly number[];
  readonly name: readonly string[];
  readonly ts: readonly number[];
  readonly value: readonly number[];
}

const typeOf: Readonly<Record<string, number>> = {
  POWER_VOLTAGE: types.voltage,
  POWER_CURRENT: types.current,
  BME280_TEMP: types.temperature,
};

function toReadings({ cellId, name, ts, value }: Columns): StoredReading[] {
  return cellId.map((id, at) => ({
    cellId: id,
    type: typeOf[name[at]!] ?? -1,
    ts: ts[at]!,
    value: value[at]!,
  }));
}
