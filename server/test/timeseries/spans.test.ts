import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keepTouching, planSpans, type Span, type SpanPlan } from "../../src/timeseries/spans.ts";

const day = 86_400;
const instant = fc.integer({ min: 0, max: 8 * day * 4 }).map((quarters) => quarters / 4);
const cuts = fc
  .uniqueArray(fc.integer({ min: 0, max: 8 * 96 }), { maxLength: 6 })
  .map((quarters) => quarters.map((one) => one * 900).sort((a, b) => a - b));

/** All spans of a plan in the order of time. */
function inOrder({ reading, hour, day: days }: SpanPlan): Span[] {
  return [...reading, ...hour, ...days].sort((a, b) => a.from - b.from || a.to - b.to);
}

describe("planSpans", () => {
  it("covers a range, each instant once, up to its end", () => {
    fc.assert(
      fc.property(instant, instant, cuts, fc.boolean(), (start, length, at, days) => {
        const range = { start, end: start + length };
        const spans = inOrder(planSpans(range, { cuts: at, days }));
        expect(spans[0]!.from).toBe(range.start);
        expect(spans.at(-1)).toMatchObject({ to: range.end, closed: true });
        spans.slice(1).forEach(({ from }, nth) => expect(from).toBe(spans[nth]!.to));
        expect(spans.filter(({ closed }) => closed)).toHaveLength(1);
      }),
    );
  });

  it("takes rollups whole, none with the start of a bucket inside, and readings for less than an hour each", () => {
    fc.assert(
      fc.property(instant, instant, cuts, fc.boolean(), (start, length, at, days) => {
        const plan = planSpans({ start, end: start + length }, { cuts: at, days });
        const units = [
          [plan.hour, 3600],
          [plan.day, day],
        ] as const;
        for (const [spans, unit] of units)
          for (const { from, to } of spans) {
            expect([from % unit, to % unit, from < to]).toEqual([0, 0, true]);
            const inside = at.filter((cut) => cut > from && cut < to && cut % unit !== 0);
            expect(inside).toEqual([]);
          }
        const needed = at.filter((cut) => cut % 3600 !== 0).length + 2;
        const read = plan.reading.reduce((sum, { from, to }) => sum + to - from, 0);
        expect(read).toBeLessThanOrEqual(needed * 3600);
        if (!days) expect(plan.day).toEqual([]);
      }),
    );
  });

  it("reads the one instant of a range that is no longer, and nothing of one that ends before it starts", () => {
    const closed = { from: 3600, to: 3600, closed: true };
    expect(planSpans({ start: 3600, end: 3600 })).toEqual({ reading: [closed], hour: [], day: [] });
    expect(planSpans({ start: 2, end: 1 })).toEqual({ reading: [], hour: [], day: [] });
  });

  it("looks into no more buckets than have readings, however many there are", () => {
    const starts = Array.from({ length: 90_000 }, (_, nth) => nth * day + 1800);
    const only = [0, 50_000 * day, 89_998 * day];
    const range = { start: 10, end: 89_999 * day };
    const plan = planSpans(range, { cuts: keepTouching(starts, only), days: true, only });
    expect(inOrder(plan).length).toBeLessThan(40);
  });

  it("leaves out buckets without readings, and none of what lies in the others", () => {
    const some = fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(cuts, some, (at, numbers) => {
        const starts = [-day, ...at];
        const only = numbers.map((number) => number * day).sort((a, b) => a - b);
        const range = { start: only[0]!, end: only.at(-1)! + day - 1 };
        const kept = keepTouching(starts, only);
        const spans = inOrder(planSpans(range, { cuts: kept, days: true, only }));
        for (let quarter = range.start; quarter <= range.end; quarter += 900) {
          const around = spans.filter(({ from, to }) => from <= quarter && quarter < to);
          const hasReadings = only.some((one) => one <= quarter && quarter < one + day);
          if (hasReadings) expect(around).toHaveLength(1);
          // Whatever is read is of the bucket that it would be of without that.
          if (around.length > 0) expect(startOf(quarter, kept)).toBe(startOf(quarter, starts));
        }
      }),
    );
  });
});

/** The start of the bucket that an instant is in. */
function startOf(at: number, starts: readonly number[]): number | undefined {
  return starts.findLast((start) => start <= at);
}
