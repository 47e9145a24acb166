import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Conflicts } from "@ents-backend/schemas/conflict";
import { Type } from "typebox";
import { getReadableCell } from "../auth/access.ts";
import { countCellConflicts, listConflicts, type Conflict } from "../timeseries/conflicts.ts";
import type { ServerDeps } from "../http/deps.ts";
import { pageQuery, toPage, toLimits } from "../http/page.ts";
import { CellParameter } from "../http/query.ts";

const params = Type.Object({ cell: CellParameter });
const ConflictsQuery = pageQuery({});

/** Whoever may upload makes up logger numbers as they like. */
const mostLoggers = 1000;

/** `/cell/{id}/conflicts`: readings that came second for an instant that had another value, for who may read it. */
export const conflicts: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "reads">;
}> = async (app, { deps: { db, reads } }) => {
  app.get(
    "/cell/:cell/conflicts",
    {
      schema: {
        operationId: "listConflicts",
        summary: "Readings that differ from one that was there",
        description: "Readings that differ from one that was there, the newest first",
        params,
        querystring: ConflictsQuery,
        response: { 200: Conflicts },
      },
    },
    async ({ params: { cell }, query, caller }) => {
      const { id } = await getReadableCell(db, caller, cell);
      const [by_logger, rows] = await Promise.all([
        countCellConflicts(reads, id),
        listConflicts(reads, id, toLimits(query)),
      ]);
      const { shown, next } = toPage(rows, query, (row) => row.id);
      return {
        total: by_logger.reduce((sum, { count }) => sum + count, 0),
        by_logger: by_logger.slice(0, mostLoggers),
        conflicts: shown.map(toAnswer),
        next,
      };
    },
  );
};

function toAnswer(row: Conflict): Conflicts["conflicts"][number] {
  const { id, sensor_id, name, measurement, unit, ts } = row;
  return {
    id,
    sensor_id,
    name,
    measurement,
    unit,
    ts: ts.toISOString(),
    kept: {
      value: row.kept_value,
      logger_id: row.kept_logger_id,
      received_at: row.kept_received_at?.toISOString() ?? null,
    },
    other: {
      value: row.value,
      logger_id: row.logger_id,
      received_at: row.received_at.toISOString(),
    },
  };
}
