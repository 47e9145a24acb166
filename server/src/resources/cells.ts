import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Cell, Sensor } from "@ents-backend/schemas/cell";
import { Label } from "@ents-backend/schemas/fields";
import { Type } from "typebox";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { getCell, listCells } from "../store/cells.ts";
import { listSensors } from "../timeseries/sensors.ts";
import { CellParameter } from "./query.ts";

const CellList = Type.Array(Cell);
const CellParams = Type.Object({ cell: CellParameter });
const CellsQuery = Type.Object({ name: Type.Optional(Label), user: Type.Optional(Type.Boolean()) });

const notLoggedIn = defineError(
  "unauthenticated",
  "not_logged_in",
  "user=true lists your own cells: log in first",
);

/** `/cell`: the cells, and what each of them measures. */
export const cells: FastifyPluginAsyncTypebox<{ deps: { db: Db } }> = async (
  app,
  { deps: { db } },
) => {
  app.get("/cell/id", { schema: { response: { 200: CellList } } }, async () => await listCells(db));

  app.get(
    "/cell",
    { schema: { querystring: CellsQuery, response: { 200: CellList } } },
    async ({ query }) => {
      if (query.user) throw notLoggedIn();
      return await listCells(db, { name: query.name });
    },
  );

  app.get(
    "/cell/:cell",
    { schema: { params: CellParams, response: { 200: Cell } } },
    async ({ params }) => await getCell(db, params.cell),
  );

  app.get(
    "/cell/:cell/sensors",
    { schema: { params: CellParams, response: { 200: Type.Array(Sensor) } } },
    async ({ params }) => await listSensors(db, params.cell),
  );
};
