import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asSent } from "../../src/streaming/as-sent.ts";

const factors = fc.constantFrom(1, 1e2, 1e3, 1e6);

describe("what was sent of a stored value", () => {
  it("is the decimal that was sent, of any that a number can hold", () => {
    const digits = fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n });
    fc.assert(
      fc.property(digits, fc.integer({ min: -30, max: 20 }), factors, (whole, exponent, factor) => {
        const sent = Number(`${whole}e${exponent}`);
        expect(asSent(sent * factor, factor)).toBe(sent + 0);
      }),
      { numRuns: 20_000 },
    );
  });

  it("comes to the stored value again, whatever was sent", () => {
    const any = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });
    fc.assert(
      fc.property(any, factors, (sent, factor) => {
        const stored = sent * factor;
        fc.pre(Math.abs(stored) > 1e-290);
        expect(asSent(stored, factor) * factor).toBe(stored);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    [1.22, 1e3, 0.00122],
    [0, 1e3, 0],
    [43, 100, 0.43],
    [85.5, 1, 85.5],
  ])("of %d, stored %d times as large, is %d", (stored, factor, sent) => {
    expect(asSent(stored, factor)).toBe(sent);
  });
});
