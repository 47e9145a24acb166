import * as fc from "fast-check";
import { expect, it } from "vitest";
import { mergeRuns } from "../../src/lib/merge-runs.ts";

it("brings runs into one order, and leaves equal keys in the order of the runs", () => {
  const run = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 9 }), (runs) => {
      const sorted = runs.map((keys) => keys.toSorted((a, b) => a - b));
      const keys = Float64Array.from(sorted.flat());
      const starts = sorted.map((_, at) => sorted.slice(0, at).flat().length);
      const places = Array.from(keys, (_, at) => at);
      const expected = places.toSorted((a, b) => keys[a]! - keys[b]! || a - b);
      expect([...mergeRuns(keys, starts)]).toEqual(expected);
    }),
  );
});
