import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { CellId } from "@ents-backend/schemas/fields";
import { Type } from "typebox";
import { validateEquation } from "../timeseries/equation.ts";

const Equation = Type.Object(
  {
    expression: Type.Optional(Type.String()),
    cell_ids: Type.Optional(Type.Array(CellId, { maxItems: 1000 })),
  },
  { title: "Equation", examples: [{ expression: "1:v * 1:i", cell_ids: [1] }] },
);

const ValidEquation = Type.Object(
  {
    ok: Type.Literal(true),
    refs: Type.Array(Type.String()),
    expression: Type.String(),
  },
  { title: "ValidEquation" },
);

/** `/equations/validate`: whether an equation over cells' streams can be charted. */
export const equations: FastifyPluginAsyncTypebox = async (app) => {
  const schema = {
    operationId: "validateEquation",
    summary: "Whether an equation over cells' streams can be charted",
    body: Equation,
    response: { 200: ValidEquation },
  };
  app.post("/equations/validate", { schema, config: { errorKey: "error" } }, async ({ body }) => {
    const { expression = "", cell_ids: cellIds } = body;
    return { ok: true as const, refs: validateEquation(expression, cellIds), expression };
  });
};
