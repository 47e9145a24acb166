import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { AuditLog } from "@ents-backend/schemas/audit";
import { Type } from "typebox";
import { getManagedCell } from "../auth/access.ts";
import { requireAdmin } from "../auth/caller.ts";
import { listDeeds, type AuditEntry } from "../store/audit.ts";
import { listMembers } from "../store/members.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { pageQuery, toPage, toLimits, type PageWish } from "../http/page.ts";
import { CellParameter } from "../http/query.ts";

const params = Type.Object({ cell: CellParameter });
const AuditQuery = pageQuery({});

/** `/audit` for admins, `/cell/{id}/audit` for its owners: who did what, the newest first. */
export const audit: FastifyPluginAsyncTypebox<{ deps: Pick<ServerDeps, "db"> }> = async (
  app,
  { deps: { db } },
) => {
  app.get(
    "/audit",
    {
      schema: {
        operationId: "listDeeds",
        summary: "Who did what, the newest first; for admins",
        security: forPeople,
        querystring: AuditQuery,
        response: { 200: AuditLog },
      },
    },
    async ({ query, caller }) => {
      requireAdmin(caller);
      return toAnswer(await listDeeds(db, toLimits(query)), query);
    },
  );

  app.get(
    "/cell/:cell/audit",
    {
      schema: {
        operationId: "listDeedsOfCell",
        summary: "Who did what to a cell, the newest first; for its owners",
        description:
          "Who did what to a cell, the newest first. From which address it was done is told of who may change the cell",
        security: forPeople,
        params,
        querystring: AuditQuery,
        response: { 200: AuditLog },
      },
    },
    async ({ params: { cell }, query, caller }) => {
      const { id: cellId } = await getManagedCell(db, caller, cell, "owner", "read");
      const deeds = await listDeeds(db, { cellId, ...toLimits(query) });
      const members = await listMembers(db, cellId);
      const writers = new Set(members.filter(({ role }) => role !== "viewer").map(({ id }) => id));
      const shown = deeds.map((deed) => ({
        ...deed,
        address: tellsAddress(deed, writers) ? deed.address : null,
      }));
      return toAnswer(shown, query);
    },
  );
};

/** Someone whom a cell was shared with, unasked, is not to tell their address by leaving, be it shared with them again or not. */
function tellsAddress(
  { action, account_id, details }: AuditEntry,
  writers: ReadonlySet<string>,
): boolean {
  if (account_id === null || !writers.has(account_id)) return false;
  return !(action === "unshare" && "user_id" in details && details.user_id === account_id);
}

function toAnswer(deeds: readonly AuditEntry[], query: PageWish): AuditLog {
  const { shown, next } = toPage(deeds, query, ({ id }) => id);
  return { entries: shown.map(({ at, ...deed }) => ({ ...deed, at: at.toISOString() })), next };
}
