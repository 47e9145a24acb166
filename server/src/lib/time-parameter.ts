import { defineError } from "./errors.ts";
import { parseTime } from "./time.ts";

const invalidTime = defineError(
  "invalid",
  "invalid_time",
  "{key} is not a time: send RFC 1123 (Sat, 08 Jul 2023 20:00:00 GMT), ISO 8601 or Unix seconds",
);

/** A parameter that is a time: its name, and what was sent. */
export type TimeParameter = readonly [key: string, text: string | undefined];

/**
 * The instant that a parameter names, Unix seconds; undefined where it wasn't sent.
 *
 * @throws KnownError when it is no time, naming it
 */
export function readTime([key, text]: TimeParameter): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseTime(text);
  if (seconds === undefined) throw invalidTime({ key });
  return seconds;
}
