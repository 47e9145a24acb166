import { powerStreams } from "@ents-backend/schemas/measurement";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Written } from "../../src/timeseries/write.ts";
import { useDatabase } from "../support/database.ts";
import { draftsIn, keyOf, type Draft } from "../support/drafts.ts";
import { temperature } from "../support/new-readings.ts";

const database = useDatabase();
const { twoCells, writeDrafts, rowsOf } = draftsIn(database);

/** A reading of one of two cells, to be made; few keys and values, so that they meet. */
const draft = fc.record({
  cell: fc.nat({ max: 1 }),
  stream: fc.constantFrom(powerStreams.v, powerStreams.i, temperature),
  ts: fc.nat({ max: 3 }),
  value: fc.constantFrom<(number | null)[]>(null, 0, 2, -3.5),
});
const batches = fc.array(fc.array(draft, { maxLength: 8 }), { maxLength: 6 });

/** What the tables should hold: the first value of each key, and each other one that came for it. */
class Model {
  readonly values = new Map<string, number | null>();
  readonly conflicts = new Set<string>();

  write(batch: readonly Draft[]): Written {
    const fresh = batch.filter((one) => this.#isNew(one)).length;
    const others = batch.filter((one) => this.values.get(keyOf(one)) !== one.value);
    for (const one of others) this.conflicts.add(`${keyOf(one)} ${one.value}`);
    const conflicting = others.length;
    return { stored: fresh, repeated: batch.length - fresh - conflicting, conflicting };
  }

  #isNew(one: Draft): boolean {
    if (this.values.has(keyOf(one))) return false;
    this.values.set(keyOf(one), one.value);
    return true;
  }

  /** The values, and the power of each instant of which both halves are known. */
  table(): string[] {
    const rows = [...this.values].map(([key, value]) => `${key} ${value}`);
    for (const cell of [0, 1])
      for (const ts of [0, 1, 2, 3]) {
        const v = this.values.get(keyOf({ cell, stream: powerStreams.v, ts }));
        const i = this.values.get(keyOf({ cell, stream: powerStreams.i, ts }));
        if (typeof v === "number" && typeof i === "number")
          rows.push(`${cell} ${powerStreams.p.name} ${ts} ${(v * i) / 1000 + 0}`);
      }
    return rows.sort();
  }
}

describe("a Writer", () => {
  it("makes one table of repeats, conflicts and halves of power, in whatever order and split", async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.boolean(), async (sequence, oneByOne) => {
        const cells = await twoCells();
        const model = new Model();
        const split = oneByOne ? sequence.flat().map((one) => [one]) : sequence;
        for (const batch of split)
          expect(await writeDrafts(cells, batch)).toEqual(model.write(batch));
        expect(await rowsOf("reading", cells)).toEqual(model.table());
        expect(await rowsOf("reading_conflict", cells)).toEqual([...model.conflicts].sort());
      }),
      { numRuns: 40 },
    );
  });

  it("makes the same table of batches that come at once", async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (sequence) => {
        const cells = await twoCells();
        // One value for each key: which of two came first would be chance.
        const agreeing = sequence.map((batch) =>
          batch.map((one) => ({ ...one, value: one.ts === 3 ? null : one.ts + 1 })),
        );
        const written = await Promise.all(
          agreeing.map(async (batch) => await writeDrafts(cells, batch)),
        );
        const model = new Model();
        model.write(agreeing.flat());
        const stored = written.reduce((sum, one) => sum + one.stored, 0);
        expect(stored).toBe(model.values.size);
        expect(await rowsOf("reading", cells)).toEqual(model.table());
        expect(await rowsOf("reading_conflict", cells)).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
