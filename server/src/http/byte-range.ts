import type { ByteRange } from "../store/files.ts";

/** What part of something is asked for: all of it, one range, or one that it doesn't have. */
type Part = "all" | "none" | ByteRange;

/**
 * Reads a `Range`. More than one range, and what can't be read, counts as none given: all is answered then.
 *
 * Source: RFC 9110, 14.1.2.
 *
 * @param size of what it is a range of, in bytes
 */
export function parseRange(header: string | undefined, size: number): Part {
  const [, first = "", last = ""] =
    /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? "") ?? [];
  if (first === "" && last === "") return "all";
  if (first === "") return suffix(Number(last), size);
  if (last !== "" && Number(last) < Number(first)) return "all";
  if (Number(first) >= size) return "none";
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  return { first: Number(first), last: end };
}

function suffix(length: number, size: number): Part {
  if (length === 0 || size === 0) return "none";
  return { first: Math.max(0, size - length), last: size - 1 };
}
