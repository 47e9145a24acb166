import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRange } from "../../src/http/byte-range.ts";

const size = fc.integer({ min: 0, max: 2 ** 40 });
const position = fc.integer({ min: 0, max: 2 ** 41 });

describe("a range of bytes", () => {
  it("lies within what it is of, whatever was asked for", () => {
    fc.assert(
      fc.property(size, fc.option(position), fc.option(position), (length, first, last) => {
        const part = parseRange(`bytes=${first ?? ""}-${last ?? ""}`, length);
        if (typeof part === "string") return;
        expect(part.first).toBeGreaterThanOrEqual(0);
        expect(part.last).toBeGreaterThanOrEqual(part.first);
        expect(part.last).toBeLessThan(length);
      }),
    );
  });

  it("is what was asked for, where there is that much", () => {
    fc.assert(
      fc.property(position, position, position, (a, b, more) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        expect(parseRange(`bytes=${first}-${last}`, last + 1 + more)).toEqual({ first, last });
      }),
    );
  });

  it("is all, for any other text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^\s*bytes=/i.test(text));
        expect(parseRange(text, 10)).toBe("all");
      }),
    );
    expect(parseRange(undefined, 10)).toBe("all");
  });
});
