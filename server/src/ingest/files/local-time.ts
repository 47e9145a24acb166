import { day_s } from "../../lib/duration.ts";
import { defineError } from "../../lib/errors.ts";
import { isZone } from "../../timeseries/zone.ts";

/** From the time that a clock on the wall shows, as if it were UTC, to Unix seconds; undefined where it never shows it. */
export type Zone = (local: number) => number | undefined;

const unknownZone = defineError(
  "invalid",
  "unknown_zone",
  "the zone {zone} is none: UTC, an offset as +01:00, or a place in the IANA database, as Europe/Berlin",
);

const offset = /^([+-])(\d{2}):?(\d{2})$/;

/** @throws KnownError when there is no such zone */
export function findZone(zone: string): Zone {
  if (zone === "UTC") return (local) => local;
  const fixed = parseOffset(zone);
  if (fixed !== undefined) return (local) => local - fixed;
  if (!isZone(zone)) throw unknownZone({ zone: JSON.stringify(zone) });
  return placeZone(zone);
}

/** Seconds east of Greenwich of `+01:00`. */
export function parseOffset(text: string): number | undefined {
  const match = offset.exec(text);
  if (!match) return undefined;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60;
  return match[1] === "-" ? -seconds : seconds;
}

/**
 * A clock that is put back shows an hour twice: the first time counts. One that is put forward leaves an hour out,
 * which is then no time.
 */
function placeZone(name: string): Zone {
  const offsetAt = offsetsOf(name);
  return (local) => {
    const [before, after] = [offsetAt(local - day_s), offsetAt(local + day_s)];
    const candidates = [local - before, local - after];
    return candidates.find((instant) => local - instant === offsetAt(instant));
  };
}

/** Offsets change at quarters of an hour alone, and a file asks for the same ones again and again. */
const quarter_s = 900;
const mostRemembered = 100_000;

function offsetsOf(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat("en-u-ca-iso8601", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const known = new Map<number, number>();
  return (instant) => {
    const quarter = Math.floor(instant / quarter_s);
    let found = known.get(quarter);
    if (found === undefined) {
      if (known.size >= mostRemembered) known.clear();
      known.set(quarter, (found = offsetOf(format, quarter * quarter_s)));
    }
    return found;
  };
}

function offsetOf(format: Intl.DateTimeFormat, instant: number): number {
  const parts = Object.fromEntries(
    format.formatToParts(instant * 1000).map(({ type, value }) => [type, Number(value)]),
  ) as Partial<Record<string, number>>;
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - instant;
}
