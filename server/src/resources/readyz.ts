import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import type { ReadyzDeps } from "../http/deps.ts";

const State = {
  database: Type.Enum(["up", "away"]),
  migrations: Type.Enum(["applied", "pending"]),
  queue: Type.Enum(["up", "away"], {
    description: "What tells workers of tasks; while it is away, they begin later",
  }),
  journal: Type.Object({
    uploads: Type.Integer({ description: "How many are still to be applied" }),
    bytes: Type.Integer(),
    aside: Type.Optional(
      Type.Integer({
        description:
          "Files that were damaged or could not be applied, and wait for someone to look at them",
      }),
    ),
    unwritable: Type.Optional(
      Type.Boolean({
        description:
          "That it can't be written: uploads are refused where the database doesn't take them",
      }),
    ),
  }),
};
const Ready = Type.Object({ status: Type.Literal("ready"), ...State }, { title: "Ready" });
const Journaling = Type.Object(
  { status: Type.Literal("journaling"), ...State },
  { title: "Journaling" },
);

/**
 * `GET /readyz`: whether the database answers and is in shape, and what waits for it. Uploads are taken all the same. For
 * supervisors, and short enough for nodes.
 */
export const readyz: FastifyPluginAsyncTypebox<{ deps: ReadyzDeps }> = async (app, { deps }) => {
  const { probe, bell, journal, isMigrated = () => true } = deps;
  app.get(
    "/readyz",
    {
      schema: {
        operationId: "getReadiness",
        summary: "Whether the database answers, and what waits for it",
        response: { 200: Ready, 503: Journaling },
      },
      config: { anyone: true, fitsNode: true },
    },
    async (_request, reply) => {
      const isUp = await probe.isUp();
      const { records: uploads, bytes } = journal?.depth() ?? { records: 0, bytes: 0 };
      const aside = journal?.aside().files;
      const unwritable = journal?.isWritable() === false;
      const state = {
        database: isUp ? "up" : "away",
        migrations: isMigrated() ? "applied" : "pending",
        queue: bell.isUp() ? "up" : "away",
        journal: { uploads, bytes, ...(aside && { aside }), ...(unwritable && { unwritable }) },
      } as const;
      if (isUp && isMigrated()) return { status: "ready" as const, ...state };
      return reply.code(503).send({ status: "journaling", ...state });
    },
  );
};
