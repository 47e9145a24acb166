import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";

/** `GET /healthz`: that the process is alive, whatever else isn't. For supervisors, who start it again where it isn't. */
export const healthz: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    "/healthz",
    {
      schema: {
        operationId: "getLiveness",
        summary: "That the process is alive, whatever else isn't",
        response: { 200: Type.Object({ status: Type.Literal("alive") }) },
      },
      config: { anyone: true, fitsNode: true },
    },
    async () => ({ status: "alive" as const }),
  );
};
