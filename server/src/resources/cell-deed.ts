import type { FastifyRequest } from "fastify";
import type { Clock } from "../lib/clock.ts";
import type { Deed } from "../store/audit.ts";
import { actorOf } from "../http/caller.ts";

/** What the caller does to a cell, for the audit log. */
export function cellDeed(
  clock: Clock,
  request: Pick<FastifyRequest, "caller" | "ip">,
  cellId: number,
  action: string,
  details: object = {},
): Deed {
  const object = { objectType: "cell", objectId: String(cellId), cellId } as const;
  return { at: clock(), actor: actorOf(request), action, ...object, details };
}
