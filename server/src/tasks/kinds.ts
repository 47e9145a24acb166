import type { Db } from "../db/connect.ts";
import type { Clock } from "../lib/clock.ts";
import type { Kinds } from "./kind.ts";

export interface KindDeps {
  readonly db: Db;
  readonly clock: Clock;
}

/** All kinds of long work: for the API, which asks for it, and for workers, which do it. */
export function openKinds(_deps: KindDeps): Kinds {
  return [];
}
