import type { Snapshot } from "../metrics.ts";
import type { Note } from "../lib/others.ts";
import type { Example } from "../store/demo.ts";

/** What a process that serves tells the one that began it. */
export type Told =
  | { readonly is: "serving" }
  | { readonly is: "example"; readonly example: Example }
  | { readonly is: "measured"; readonly snapshot: Snapshot }
  | { readonly is: "noted"; readonly notes: readonly Note[] }
  /** It wants to know what all of them have counted. */
  | { readonly is: "gather" };

/** What it is asked and answered. */
export type Asked =
  /** To serve: until then it only loads its program. */
  | { readonly is: "serve" }
  | { readonly is: "measure" }
  | { readonly is: "noted"; readonly notes: readonly Note[] }
  | { readonly is: "gathered"; readonly snapshots: readonly Snapshot[] };

/** Both ends are this program's own: what has a word is one of ours, and Node.js's own messages don't come here. */
export function isTold(message: unknown): message is Told {
  return typeof message === "object" && message !== null && "is" in message;
}

/** The same from the other end. */
export function isAsked(message: unknown): message is Asked {
  return typeof message === "object" && message !== null && "is" in message;
}
