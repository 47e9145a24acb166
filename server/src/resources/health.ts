import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";

/** `GET /`: nodes ask it whether uploads may go on, and have room for 222 bytes of answer. */
export const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    "/",
    {
      schema: {
        operationId: "getHealth",
        summary: "That the API is there",
        response: { 200: Type.Object({ hello: Type.String() }) },
      },
      config: { anyone: true, fitsNode: true },
    },
    async () => ({
      hello: "ents-backend is up",
    }),
  );
};
