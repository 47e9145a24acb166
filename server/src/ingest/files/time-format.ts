import { defineError } from "../../lib/errors.ts";
import { endOfTime, parseTime } from "../../lib/time.ts";
import { findZone, parseOffset, type Zone } from "./local-time.ts";

/** Reads a time as it stands in a file. @returns Unix seconds; undefined when it is none from 1970 on */
export type TimeFormat = (text: string) => number | undefined;

const badFormat = defineError(
  "invalid",
  "bad_time_format",
  "the time format {format} can't be read: it is iso, unix, unix-ms, rfc1123, excel, or a pattern of %Y %y %m %b %B %d %e %H %I %p %M %S %f %z %a %A with at least a day, a month and a year",
);

/** Formats that have a name. */
const named: Readonly<Record<string, (zone: Zone) => TimeFormat>> = {
  iso: (zone) => (text) => parseIso(text, zone),
  unix: () => (text) => parseNumber(text, 1),
  "unix-ms": () => (text) => parseNumber(text, 1000),
  rfc1123: () => parseRfc1123,
  excel: (zone) => (text) => parseExcel(text, zone),
};

/**
 * How a file writes its times.
 *
 * @param format a name, or a pattern as of strptime; without one: ISO 8601, RFC 1123 or Unix seconds, whichever it is
 * @param zone of times that name none
 * @throws KnownError when there is no such format or zone
 */
export function compileTimeFormat(format: string | undefined, zone = "UTC"): TimeFormat {
  const inZone = findZone(zone);
  if (format === undefined)
    return (text) => parseIso(text, inZone) ?? parseNumber(text, 1) ?? parseRfc1123(text);
  const make = Object.hasOwn(named, format) ? named[format] : undefined;
  return make ? make(inZone) : compilePattern(format, inZone);
}

const iso =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})([.,]\d{1,9})?)?)?\s?(Z|UTC|[+-]\d{2}:?\d{2})?$/;

function parseIso(text: string, zone: Zone): number | undefined {
  const match = iso.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction, place] = match;
  const fields = { year, month, day, hour, minute, second };
  const offset = place === "Z" || place === "UTC" ? 0 : parseOffset(place ?? "");
  return toInstant(toNumbers(fields), fraction?.replace(",", "."), offset, zone);
}

function parseNumber(text: string, perSecond: number): number | undefined {
  return /^\d{1,16}(?:\.\d{1,9})?$/.test(text) ? inRange(Number(text) / perSecond) : undefined;
}

function parseRfc1123(text: string): number | undefined {
  return /^[A-Z][a-z]{2},/.test(text) ? parseTime(text) : undefined;
}

/** Days since the end of 1899, as spreadsheets count them: 25569 is 1970-01-01. */
function parseExcel(text: string, zone: Zone): number | undefined {
  if (!/^\d{1,7}(?:[.,]\d{1,15})?$/.test(text)) return undefined;
  const days = Number(text.replace(",", ".")) - 25_569;
  // A day has more microseconds than the number has digits for: whole milliseconds are what was meant.
  const local = Math.round(days * 86_400_000) / 1000;
  const whole = zone(Math.floor(local));
  return whole === undefined ? undefined : inRange(whole + (local - Math.floor(local)));
}

const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");

type Field = "year" | "month" | "day" | "hour" | "minute" | "second";
type Fields = Partial<Record<Field, number>>;

/** The parts of a pattern: what they match, under which name. */
const directives: Readonly<Record<string, string>> = {
  Y: "(?<year>\\d{4})",
  y: "(?<shortYear>\\d{2})",
  m: "(?<month>\\d{1,2})",
  b: "(?<monthName>[A-Za-z]{3,9})\\.?",
  B: "(?<monthName>[A-Za-z]{3,9})",
  d: "(?<day>\\d{1,2})",
  e: "(?<day>\\d{1,2})",
  H: "(?<hour>\\d{1,2})",
  I: "(?<hour12>\\d{1,2})",
  p: "(?<half>[AaPp])\\.?[Mm]\\.?",
  M: "(?<minute>\\d{1,2})",
  S: "(?<second>\\d{1,2})",
  f: "(?<fraction>\\d{1,9})",
  z: "(?<offset>Z|UTC|GMT|[+-]\\d{2}:?\\d{2})",
  a: "(?<weekday>[A-Za-z]{2,9})\\.?",
  A: "(?<weekday>[A-Za-z]{2,9})",
  "%": "%",
};

function compilePattern(format: string, zone: Zone): TimeFormat {
  const pattern = toRegExp(format);
  return (text) => {
    const groups = pattern.exec(text)?.groups;
    if (!groups) return undefined;
    const { offset = "", fraction } = groups;
    const east_s = /^(?:Z|UTC|GMT)$/.test(offset) ? 0 : parseOffset(offset);
    return toInstant(fieldsOf(groups), fraction && `.${fraction}`, east_s, zone);
  };
}

function toRegExp(format: string): RegExp {
  const bad = badFormat({ format: JSON.stringify(format) });
  const source = format.replace(/%(.)|\s+|[^%\s]+|%/g, (part, letter: string | undefined) => {
    if (letter !== undefined) return directives[letter] ?? "(?<bad>)(?<bad>)";
    return /^\s/.test(part) ? "\\s+" : part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  const has = (name: string) => source.includes(`(?<${name}`);
  if (!(has("day>") && has("month") && (has("year>") || has("shortYear>")))) throw bad;
  try {
    // What it has twice, or doesn't know, is refused here: names of groups are unique.
    return new RegExp(`^${source}$`);
  } catch {
    throw bad;
  }
}

function fieldsOf(groups: Readonly<Record<string, string | undefined>>): Fields {
  const { shortYear, monthName, hour12, half, ...plain } = groups;
  const { year, month, day, hour, minute, second } = plain;
  const fields = toNumbers({ year, month, day, hour, minute, second });
  if (shortYear !== undefined) fields.year = toFullYear(Number(shortYear));
  if (monthName !== undefined)
    fields.month = months.indexOf(monthName.slice(0, 3).toLowerCase()) + 1;
  if (hour12 !== undefined) fields.hour = toHour(Number(hour12), half);
  return fields;
}

/** Source: POSIX, strptime: 69 to 99 are of the 20th century. */
function toFullYear(short: number): number {
  return short + (short >= 69 ? 1900 : 2000);
}

/** 12 a.m. is midnight; NaN where there is no such hour. */
function toHour(hour12: number, half: string | undefined): number {
  if (hour12 < 1 || hour12 > 12) return NaN;
  return (hour12 % 12) + (half?.toLowerCase() === "p" ? 12 : 0);
}

function toNumbers(texts: Partial<Record<Field, string | undefined>>): Fields {
  const fields: Fields = {};
  for (const [name, text] of Object.entries(texts))
    if (text !== undefined) fields[name as Field] = Number(text);
  return fields;
}

function toInstant(
  fields: Fields,
  fraction: string | undefined,
  offset: number | undefined,
  zone: Zone,
): number | undefined {
  const local = toLocal(fields);
  if (local === undefined) return undefined;
  const whole = offset === undefined ? zone(local) : local - offset;
  return whole === undefined ? undefined : inRange(whole + Number(fraction ?? 0));
}

/** JavaScript reads 30 February as 2 March: what doesn't come back was no time. */
function toLocal(fields: Fields): number | undefined {
  const { year = NaN, month = NaN, day = NaN, hour = 0, minute = 0, second = 0 } = fields;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const exists =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return exists ? date.getTime() / 1000 : undefined;
}

function inRange(seconds: number): number | undefined {
  return seconds >= 0 && seconds <= endOfTime ? seconds : undefined;
}
