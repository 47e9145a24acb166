import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { AuditLog } from "@ents-backend/schemas/audit";
import { Type } from "typebox";
import { getManagedCell } from "../auth/access.ts";
import { requireAdmin } from "../auth/caller.ts";
import { listDeeds, type AuditEntry } from "../store/audit.ts";
import type { ServerDeps } from "./deps.ts";
import { CellParameter } from "./query.ts";

const params = Type.Object({ cell: CellParameter });
const AuditQuery = Type.Object({
  limit: Type.Optional(Type.Number({ minimum: 1, maximum: 1000, multipleOf: 1 })),
  before: Type.Optional(
    Type.Number({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      multipleOf: 1,
      description: "`next` of the answer before",
    }),
  ),
});
type AuditQuery = Type.Static<typeof AuditQuery>;

/** `/audit` for admins, `/cell/{id}/audit` for its owners: who did what, the newest first. */
export const audit: FastifyPluginAsyncTypebox<{ deps: Pick<ServerDeps, "db"> }> = async (
  app,
  { deps: { db } },
) => {
  app.get(
    "/audit",
    { schema: { querystring: AuditQuery, response: { 200: AuditLog } } },
    async ({ query, caller }) => {
      requireAdmin(caller);
      return toPage(await listDeeds(db, toRange(query)), query);
    },
  );

  app.get(
    "/cell/:cell/audit",
    { schema: { params, querystring: AuditQuery, response: { 200: AuditLog } } },
    async ({ params: { cell }, query, caller }) => {
      const { id: cellId } = await getManagedCell(db, caller, cell, "owner", "read");
      return toPage(await listDeeds(db, { cellId, ...toRange(query) }), query);
    },
  );
};

const defaultLimit = 100;

/** One more than is answered, to know whether there are any. */
function toRange({ limit = defaultLimit, before }: AuditQuery) {
  return { limit: limit + 1, before };
}

function toPage(deeds: readonly AuditEntry[], { limit = defaultLimit }: AuditQuery): AuditLog {
  const entries = deeds
    .slice(0, limit)
    .map(({ at, ...deed }) => ({ ...deed, at: at.toISOString() }));
  return { entries, next: deeds.length > limit ? entries.at(-1)!.id : null };
}
