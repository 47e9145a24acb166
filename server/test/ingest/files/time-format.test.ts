import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileTimeFormat } from "../../../src/ingest/files/time-format.ts";

const at = (iso: string) => Date.parse(iso) / 1000;

describe("a time format", () => {
  it.each([
    [undefined, "UTC", "2023-07-08T20:00:00Z", "2023-07-08T20:00:00Z"],
    [undefined, "UTC", "Sat, 08 Jul 2023 20:00:00 GMT", "2023-07-08T20:00:00Z"],
    [undefined, "UTC", "1688846400", "2023-07-08T20:00:00Z"],
    ["iso", "+02:00", "2023-07-08 20:00", "2023-07-08T18:00:00Z"],
    ["iso", "+02:00", "2023-07-08 20:00:01,5-03:30", "2023-07-08T23:30:01.5Z"],
    ["iso", "America/Los_Angeles", "2023-07-08", "2023-07-08T07:00:00Z"],
    ["unix-ms", "UTC", "1688846400500", "2023-07-08T20:00:00.5Z"],
    ["rfc1123", "UTC", "Sat, 08 Jul 2023 20:00:00 GMT", "2023-07-08T20:00:00Z"],
    ["excel", "UTC", "45115.5", "2023-07-08T12:00:00Z"],
    ["excel", "Europe/Berlin", "45115,5", "2023-07-08T10:00:00Z"],
    ["%d.%m.%Y %H:%M", "Europe/Berlin", "08.07.2023 20:00", "2023-07-08T18:00:00Z"],
    ["%d.%m.%Y %H:%M", "Europe/Berlin", "8.1.2023 20:00", "2023-01-08T19:00:00Z"],
    ["%m/%d/%y %I:%M %p", "UTC", "7/8/23 12:05 a.m.", "2023-07-08T00:05:00Z"],
    ["%m/%d/%y %I:%M:%S.%f %p", "UTC", "7/8/98 1:05:00.25 PM", "1998-07-08T13:05:00.25Z"],
    ["%a %d %b %Y %H:%M:%S %z", "UTC", "Sat 08 jul 2023 20:00:00 +0200", "2023-07-08T18:00:00Z"],
    ["%Y%m%d%H%M", "UTC", "202307082000", "2023-07-08T20:00:00Z"],
  ] as const)("reads %s in %s: %s", (format, zone, text, iso) => {
    expect(compileTimeFormat(format, zone)(text)).toBe(at(iso));
  });

  it.each([
    ["iso", "2023-02-29"],
    ["iso", "2023-07-08T24:00:00"],
    ["iso", "1969-12-31"],
    ["unix", "-1"],
    ["unix", "1e9"],
    ["%d.%m.%Y", "31.04.2023"],
    ["%d.%m.%Y", "08/07/2023"],
    ["%d %b %Y", "08 Jux 2023"],
    ["%d.%m.%Y %I:%M %p", "08.07.2023 13:00 pm"],
    ["excel", "Monday"],
  ])("of %s refuses %s", (format, text) => {
    expect(compileTimeFormat(format)(text)).toBeUndefined();
  });

  it.each(["iso", undefined])(
    "takes the first of two hours where a clock is put back, and none where it is put forward: %s",
    (format) => {
      const parse = compileTimeFormat(format, "Europe/Berlin");
      expect(parse("2023-10-29 01:30")).toBe(at("2023-10-28T23:30:00Z"));
      expect(parse("2023-10-29 02:30")).toBe(at("2023-10-29T00:30:00Z"));
      expect(parse("2023-10-29 03:30")).toBe(at("2023-10-29T02:30:00Z"));
      expect(parse("2023-03-26 02:30")).toBeUndefined();
    },
  );

  it.each(["%H:%M", "%d.%m", "%d.%m.%Y %d", "%a%a %d.%m.%Y", "%Q.%d.%m.%Y", "tuesday"])(
    "can't be %s",
    (format) => {
      expect(() => compileTimeFormat(format)).toThrow(/the time format .* can't be read/);
    },
  );

  it.each(["Mars/Olympus", "CET", "+1", "EST5EDT"])("knows no zone %s", (zone) => {
    expect(() => compileTimeFormat("iso", zone)).toThrow(/the zone .* is none/);
  });

  const instants = fc.integer({ min: 0, max: 4_102_444_800 });

  it("reads back what it stands for, whatever the instant", () => {
    const parse = compileTimeFormat("%d.%m.%Y %H:%M:%S");
    fc.assert(
      fc.property(instants, (instant) => {
        const [, y, m, d, clock] = /^(\d+)-(\d+)-(\d+)T([\d:]+)/.exec(
          new Date(instant * 1000).toISOString(),
        )!;
        expect(parse(`${d}.${m}.${y} ${clock}`)).toBe(instant);
      }),
    );
  });

  it.each(["America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"])(
    "reads the clocks of %s as the zone's clocks show, but for the second of two hours",
    (zone) => {
      const parse = compileTimeFormat("iso", zone);
      const parseAny = compileTimeFormat(undefined, zone);
      const format = new Intl.DateTimeFormat("sv-SE", {
        timeZone: zone,
        dateStyle: "short",
        timeStyle: "medium",
      });
      fc.assert(
        fc.property(instants, (instant) => {
          const shown = format.format(instant * 1000);
          const found = parse(shown)!;
          expect(format.format(found * 1000)).toBe(shown);
          expect(instant - found).toBeOneOf([0, 1800, 3600]);
        }),
      );
      // What a clock may show, and what it leaves out.
      fc.assert(
        fc.property(instants, (local) => {
          const text = new Date(local * 1000).toISOString().slice(0, 19);
          expect(parseAny(text)).toBe(parse(text));
        }),
      );
    },
  );

  it("never throws, and never answers what is no time", () => {
    const formats = ["iso", "unix", "unix-ms", "rfc1123", "excel", "%d.%m.%Y %H:%M", undefined];
    fc.assert(
      fc.property(fc.constantFrom(...formats), fc.string(), (format, text) => {
        const found = compileTimeFormat(format)(text);
        expect(found === undefined || (found >= 0 && found <= 253_402_300_799)).toBe(true);
      }),
    );
  });
});
