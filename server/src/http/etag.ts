import { createHash } from "node:crypto";

/** Part of every tag: to be changed with the form of the answers that have one. */
const form = 1;

/** A tag for an answer that is the same as long as some values are: they are JSON. Source: RFC 9110, 8.8.3. */
export function weakTag(values: unknown): string {
  const hash = createHash("sha256").update(JSON.stringify([form, values]));
  return `W/"${hash.digest("base64url").slice(0, 22)}"`;
}

/** Whether one of the tags in an `If-None-Match` is that of the answer. Source: RFC 9110, 13.1.2. */
export function hasTag(ifNoneMatch: string | undefined, tag: string): boolean {
  const tags = ifNoneMatch?.split(",").map((one) => one.trim()) ?? [];
  return tags.some((one) => one === "*" || one.replace(/^W\//, "") === tag.replace(/^W\//, ""));
}
