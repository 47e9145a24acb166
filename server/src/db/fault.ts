import { KnownError } from "../lib/errors.ts";

/**
 * What a failure says of whoever failed: the database is "away", so that it can't be reached, doesn't let us in, or
 * takes nothing now; it takes others, but "refused" what it was given; or something is "broken", in it or in what we
 * ask of it, and that must be mended first.
 */
type Fault = "away" | "refused" | "broken";

/** By the first two characters of PostgreSQL's error codes (its documentation, appendix A); others are "broken". */
const faults: Readonly<Record<string, Fault>> = {
  "08": "away", // no connection
  "21": "refused", // more rows than there may be
  "22": "refused", // data
  "23": "refused", // constraints
  "25": "away", // read only
  "28": "away", // who we are
  "3D": "away", // no such database
  "40": "away", // a collision that came again and again
  "53": "away", // no room
  "54": "refused", // limits of the program
  "55": "away", // locked, or in use
  "57": "away", // stopped by its operator, or by a timeout
  "58": "away", // the system beneath it
  P0: "refused", // raised by our functions
};

/** What Node.js calls a network that fails. */
const networkCode = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EMFILE|ENFILE)/;

/** What the driver says in words alone: of connections that break, hang, or are closed by ourselves. */
const awayMessage =
  /connection te?i?rm|timeout exceeded when trying to connect|read timeout|not queryable|calling end on the pool|already been destroyed/i;

/** What says that something was given which isn't taken, or which the program wasn't made for. */
const slips = [KnownError, TypeError, RangeError, SyntaxError, ReferenceError];

/** What an error says of the database, or of what it was given. Every error says one of these. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) return "refused";
  const code = codeOf(error);
  if (networkCode.test(code) || isSocketGone(error)) return "away";
  if (/^[0-9A-Z]{5}$/.test(code)) return faults[code.slice(0, 2)] ?? "broken";
  // Before the words of the others are read: these may hold words of whoever sent what they refuse.
  if (slips.some((slip) => error instanceof slip)) return "refused";
  return awayMessage.test(error.message) ? "away" : "broken";
}

/** A server that is stopped takes the file of its Unix socket away. */
function isSocketGone(error: Error): boolean {
  return "syscall" in error && error.syscall === "connect" && codeOf(error) === "ENOENT";
}

/** Whether an error says that the database can't be reached, or can't take more now. */
export function isDatabaseAway(error: unknown): boolean {
  return faultOf(error) === "away";
}

/** Whether an error is about what was given alone: something else may be taken, and the same never will be. */
export function isInputRefused(error: unknown): boolean {
  return faultOf(error) === "refused";
}

/** Whether a row is refused because another one has its name. */
export function isDuplicate(error: unknown): boolean {
  return hasCode(error, "23505");
}

/** Whether a database isn't made because another process made it at the same moment: it is said in one of two ways. */
export function isDatabaseThere(error: unknown): boolean {
  return hasCode(error, "42P04", "23505");
}

/** Whether a row is refused because what it refers to is gone, as by a deletion at the same moment. */
export function isReferenceGone(error: unknown): boolean {
  return hasCode(error, "23503");
}

/** Whether a column, a table or a schema was taken away while a query of the catalogue looked at it. */
export function isFormChanged(error: unknown): boolean {
  return hasCode(error, "42703", "42P01", "3F000", "XX000");
}

/** Whether a transaction was given up for another one's sake: a deadlock, or a serialisation failure. */
export function isCollision(error: unknown): boolean {
  return hasCode(error, "40");
}

/** Whether a server is there and doesn't let us in, or has no such database: that doesn't end by itself. */
export function isEntryRefused(error: unknown): boolean {
  return hasCode(error, "28", "3D");
}

/** Whether it is the password that isn't taken. */
export function isPasswordRefused(error: unknown): boolean {
  return hasCode(error, "28P01");
}

/** Whether we aren't allowed to do what we want to. */
export function isForbidden(error: unknown): boolean {
  return hasCode(error, "42501");
}

/** Whether a function knows no such value as it was given, a name of a time zone for example. */
export function isValueUnknown(error: unknown): boolean {
  return hasCode(error, "22023");
}

/** @param codes whole ones of PostgreSQL, or how they begin */
function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.some((code) => codeOf(error).startsWith(code));
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
