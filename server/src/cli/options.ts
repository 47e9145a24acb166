import { Label } from "@ents-backend/schemas/fields";
import { InvalidArgumentError } from "commander";
import { Value } from "typebox/value";
import { durationPattern, parseDuration } from "../lib/duration.ts";
import { parseTime } from "../lib/time.ts";

/** Reads a text that people read. */
export function label(text: string): string {
  const trimmed = text.trim();
  if (!Value.Check(Label, trimmed))
    throw new InvalidArgumentError("1 to 100 characters, no control characters.");
  return trimmed;
}

/** Reads a latitude or longitude. */
export function degrees(limit: 90 | 180): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(Math.abs(value) <= limit))
      throw new InvalidArgumentError(`a number from -${limit} to ${limit}.`);
    return value;
  };
}

/** Reads an instant: RFC 1123, ISO 8601 or Unix seconds. */
export function instant(text: string): number {
  const seconds = parseTime(text);
  if (seconds === undefined)
    throw new InvalidArgumentError("a time: 2024-01-31, 2024-01-31T12:00:00Z or Unix seconds.");
  return seconds;
}

/** Reads a duration: 30m, 12h, 7d. @returns seconds */
export function duration(text: string): number {
  if (!new RegExp(durationPattern).test(text))
    throw new InvalidArgumentError("a duration: 90s, 30m, 12h or 7d.");
  return parseDuration(text);
}

/** Reads a whole number of at least `least`, and at most `most`. */
export function wholeNumber(least: number, most?: number): (text: string) => number {
  const upTo = most === undefined ? "" : ` to ${most}`;
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > (most ?? 2 ** 31 - 1))
      throw new InvalidArgumentError(`a whole number from ${least}${upTo}.`);
    return value;
  };
}
