import { powerStreams } from "@ents-backend/schemas/measurement";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutBatches, type MoveBatch } from "../../../src/ingest/legacy/batches.ts";
import type { OldReading } from "../../../src/store/legacy/binary-copy.ts";
import type { Series } from "../../../src/store/legacy/series.ts";

const common = {
  cellId: 1,
  table: "power_data",
  column: "",
  oldSensorId: undefined,
  factor: 1,
} as const;
/** The first and the last are of one stream. */
const series: readonly Series[] = [
  { ...common, stream: powerStreams.v, dataType: "float" },
  { ...common, stream: powerStreams.i, dataType: "int" },
  { ...common, stream: powerStreams.v, dataType: "float" },
];

function reading(ts: number, nth: number, value: number | null = 1): OldReading {
  return { nth, ts, receivedAt: ts, loggerId: null, value };
}

async function cut(parts: readonly (readonly OldReading[])[]): Promise<MoveBatch[]> {
  const batches: MoveBatch[] = [];
  for await (const batch of cutBatches(toAsync(parts), series)) batches.push(batch);
  return batches;
}

async function* toAsync<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe("an old cell's readings", () => {
  it("are cut between instants, and none is lost", async () => {
    const instants = 12_000;
    const all = Array.from({ length: instants }, (_, ts) => [reading(ts, 0), reading(ts, 1)]);
    const batches = await cut(all);
    expect(batches.map(({ readings }) => readings.length)).toEqual([5000, 5000, 5000, 5000, 4000]);
    expect(batches.map(({ reached }) => reached)).toEqual([2499, 4999, 7499, 9999, 11_999]);
  });

  it("are taken once where a value comes again for its stream and instant, and all where it differs", async () => {
    const value = fc.option(fc.nat({ max: 2 }));
    const row = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 2 }), value);
    await fc.assert(
      fc.asyncProperty(fc.array(row), async (rows) => {
        const sorted = rows.toSorted(([a], [b]) => a - b).map((one) => reading(...one));
        const [batch] = await cut([sorted]);
        const firsts = new Map<string, number | null>();
        const expected = sorted.filter(({ ts, nth, value: found }) => {
          const key = `${ts} ${nth % 2}`;
          if (firsts.has(key)) return firsts.get(key) !== found;
          firsts.set(key, found);
          return true;
        });
        expect(batch?.readings ?? []).toMatchObject(
          expected.map(({ ts, value: found }) => ({ ts, value: found })),
        );
        expect(batch?.repeated ?? 0).toBe(sorted.length - expected.length);
      }),
    );
  });

  it("are whole numbers where their sensor says so and they are", async () => {
    const [batch] = await cut([[reading(0, 1, 5), reading(1, 1, 0.5), reading(2, 1, null)]]);
    expect(batch!.readings.map(({ dataType }) => dataType)).toEqual(["int", "float", "int"]);
  });
});
