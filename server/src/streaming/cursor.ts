import { defineError } from "../lib/errors.ts";
import type { LogPosition } from "../timeseries/arrivals.ts";

const cursorInvalid = defineError(
  "invalid",
  "cursor_invalid",
  "this is no cursor: give back one of an event or an answer, as it came",
);

/** A position in the log, as clients are told it. */
export function formatCursor({ log, xid, id, nth }: LogPosition): string {
  return [log, xid, id, nth].map((number) => number.toString(36)).join("-");
}

/** @throws KnownError when a text is no cursor */
export function parseCursor(text: string): LogPosition {
  const parts = /^[0-9a-z]{1,10}(-[0-9a-z]{1,10}){3}$/.test(text) ? text.split("-") : [];
  const numbers = parts.map((part) => Number.parseInt(part, 36));
  const [log, xid, id, nth] = numbers;
  if (log === undefined || xid === undefined || id === undefined || nth === undefined)
    throw cursorInvalid();
  if (log >= 2 ** 31 || numbers.some((number) => !Number.isSafeInteger(number)))
    throw cursorInvalid();
  return { log, xid, id, nth };
}
