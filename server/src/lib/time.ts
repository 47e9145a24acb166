import { instantWriter } from "./instant.ts";

const days = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
/** A plus sign that nobody escaped arrives in a query as a space. */
const rfc1123 = new RegExp(
  `^${days}, ((\\d{1,2}) [A-Z][a-z]{2} \\d{4}) (\\d{2}:\\d{2}:\\d{2}) (GMT|UTC|[-+ ](?:0\\d|1[0-4])[0-5]\\d)$`,
);
const iso8601 =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(\.\d{1,9})?)?))?(Z|[+-]\d{2}:?\d{2})?$/;
const unix = /^\d{1,12}(?:\.\d{1,9})?$/;
/** The last second of the year 9999, Unix seconds. */
export const endOfTime = 253_402_300_799;
/** Nothing that is longer is a time, and patterns would take long to find that out. */
const longest = 40;

/**
 * Reads an instant in one of the three forms that clients send: RFC 1123 (`Sat, 08 Jul 2023 20:00:00 GMT`), ISO
 * 8601 (UTC where it names no zone), Unix seconds.
 *
 * @returns Unix seconds, or undefined when the text is none of them
 */
export function parseTime(text: string): number | undefined {
  if (text.length > longest) return undefined;
  const trimmed = text.trim();
  if (unix.test(trimmed)) return inRange(Number(trimmed));
  return parseRfc1123(trimmed) ?? parseIso(trimmed);
}

/** `2023-07-08T20:00:00.000Z`, with microseconds where there are any. Source: ISO 8601. */
export function formatIso(seconds: number): string {
  return instantWriter()(Math.round(seconds * 1e6));
}

/** `2023-07-08T20:00:00`, UTC without saying so: as the oldest clients expect some times. */
export function formatNaive(seconds: number): string {
  return formatIso(seconds).replace(/(?:\.000)?Z$/, "");
}

function parseRfc1123(text: string): number | undefined {
  const [, date = "", day = "", time = "", zone = ""] = rfc1123.exec(text) ?? [];
  if (!isDay(`${date} UTC`, day)) return undefined;
  return inRange(Date.parse(`${date} ${time} ${zone.replace(" ", "+")}`) / 1000);
}

function parseIso(text: string): number | undefined {
  // A plus sign that nobody escaped arrives in a query as a space.
  const match = iso8601.exec(text.replace(/([T ]\S+) (\d{2}:?\d{2})$/, "$1+$2"));
  if (!match) return undefined;
  const [, date = "", time = "00:00:00", fraction = "", zone = "Z"] = match;
  if (!isDay(date, date.slice(-2))) return undefined;
  // JavaScript would leave out what is less than a millisecond.
  const whole = time.slice(0, time.length - fraction.length);
  return inRange(Date.parse(`${date}T${whole}${zone}`) / 1000 + Number(`0${fraction}`));
}

/** Whether a date has the day of the month that it says: JavaScript reads 30 February as 2 March. */
function isDay(date: string, day: string): boolean {
  return new Date(date).getUTCDate() === Number(day);
}

function inRange(seconds: number): number | undefined {
  return seconds >= 0 && seconds <= endOfTime ? seconds : undefined;
}
