import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIso, formatNaive, parseTime } from "../../src/lib/time.ts";

function toRfc1123(seconds: number): string {
  return new Date(seconds * 1000).toUTCString();
}

describe("parseTime", () => {
  it.each([
    ["Sat, 08 Jul 2023 20:00:00 GMT", 1_688_846_400],
    ["Sat, 8 Jul 2023 20:00:00 GMT", 1_688_846_400],
    ["Sat, 08 Jul 2023 20:00:00 UTC", 1_688_846_400],
    ["Sat, 08 Jul 2023 20:00:00 +0000", 1_688_846_400],
    ["Sat, 08 Jul 2023 20:00:00 -0000", 1_688_846_400],
    ["Sat, 08 Jul 2023 13:00:00 -0700", 1_688_846_400],
    ["Sun, 09 Jul 2023 01:30:00  0530", 1_688_846_400],
    ["Sat, 01 Jul 2023 00:30:00 +0200", 1_688_164_200],
    ["Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199],
    ["  Sat, 08 Jul 2023 20:00:00 GMT  ", 1_688_846_400],
    ["2023-07-08T20:00:00Z", 1_688_846_400],
    ["2023-07-08T20:00:00", 1_688_846_400],
    ["2023-07-08 20:00:00", 1_688_846_400],
    ["2023-07-08T20:00", 1_688_846_400],
    ["2023-07-08T20:00:00.250Z", 1_688_846_400.25],
    ["2023-07-08T20:00:00.250999000Z", 1_688_846_400.250999],
    ["2023-07-08T20:00:00.123456Z", 1_688_846_400.123456],
    ["2023-07-08T22:00:00.5+02:00", 1_688_846_400.5],
    ["2023-07-08", 1_688_774_400],
    ["2023-07-08T22:00:00+02:00", 1_688_846_400],
    ["2023-07-08T22:00:00+0200", 1_688_846_400],
    ["2023-07-08T22:00:00 02:00", 1_688_846_400],
    ["2023-07-08T13:00:00-07:00", 1_688_846_400],
    ["1970-01-01T00:00:00Z", 0],
    ["9999-12-31T23:59:59Z", 253_402_300_799],
    ["0", 0],
    ["1688846400", 1_688_846_400],
    ["1688846400.5", 1_688_846_400.5],
  ])("reads %s", (text, seconds) => {
    expect(parseTime(text)).toBe(seconds);
  });

  it.each([
    "",
    "foo",
    "now",
    "-1",
    "1e9",
    "0x10",
    "1688846400000",
    "20:00:00",
    "2023-07",
    "2023-13-01",
    "2023-00-01",
    "2023-07-00",
    "2023-07-32",
    "2023-02-29",
    "2024-02-30T00:00:00Z",
    "2023-07-08T25:00:00Z",
    "2023-07-08T20:60:00Z",
    "2023-07-08T20:00:61Z",
    "2023-07-08T20:00:00+25:00",
    "2023-07-08T20:00:00 GMT",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+01:00",
    "+010000-01-01T00:00:00Z",
    "08 Jul 2023 20:00:00 GMT",
    "Sat, 08 Jul 2023",
    "Sat, 08 Jul 2023 20:00 GMT",
    "Sat, 08 Jul 2023 20:00:00",
    "Sat, 08 Jul 2023 20:00:00 PST",
    "Sat, 08 Jul 2023 20:00:00 +2500",
    "Thu, 30 Feb 2023 20:00:00 +0200",
    "Sat, 08 Jux 2023 20:00:00 GMT",
    "Sat, 32 Jul 2023 20:00:00 GMT",
    "Thu, 30 Feb 2023 20:00:00 GMT",
    "Sat, 08 Jul 2023 24:00:01 GMT",
    "Sat, 08 Jul 1923 20:00:00 GMT",
  ])("does not read %j", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  it("reads what is formatted, to the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        const forms = [toRfc1123, formatIso, formatNaive, String];
        expect(forms.map((format) => parseTime(format(seconds)))).toEqual(forms.map(() => seconds));
      }),
    );
  });

  it("reads what is formatted, to the microsecond", () => {
    const micros = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
    fc.assert(
      fc.property(micros, (at_us) => {
        const read = parseTime(formatIso(at_us / 1e6));
        expect(Math.round(read! * 1e6)).toBe(at_us);
      }),
    );
  });

  it("answers a number that PostgreSQL can take, or nothing, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+0-9TZ:. ]+$/)), (text) => {
        const seconds = parseTime(text) ?? 0;
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThan(253_402_300_800);
      }),
    );
  });
});

describe("a formatted time", () => {
  it.each([
    [0, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00"],
    [1_688_846_400.25, "2023-07-08T20:00:00.250Z", "2023-07-08T20:00:00.250"],
  ])("of %d", (seconds, iso, naive) => {
    expect([formatIso(seconds), formatNaive(seconds)]).toEqual([iso, naive]);
  });
});

describe("a text that is far too long", () => {
  it("is no time, and that is seen at once", () => {
    const started = performance.now();
    for (const text of ["T".repeat(200_000), `2024-01-15T${"0".repeat(200_000)} 00:00`])
      expect(parseTime(text)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
