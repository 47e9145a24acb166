import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import type { DatabaseProbe } from "../db/probe.ts";
import type { Aside } from "../lib/journal-aside.ts";
import type { Depth } from "../lib/journal-directory.ts";

export interface ReadyzDeps {
  readonly probe: Pick<DatabaseProbe, "isUp">;
  /** What holds uploads on disk. Undefined: nothing does. */
  readonly journal?: {
    depth(): Pick<Depth, "records" | "bytes">;
    aside(): Aside;
  };
}

const Journal = Type.Object({
  /** How many are still to be applied. */
  uploads: Type.Integer(),
  bytes: Type.Integer(),
  /** Files that were damaged or could not be applied, and wait for someone to look at them. */
  aside: Type.Optional(Type.Integer()),
});
const Ready = Type.Object({
  status: Type.Literal("ready"),
  database: Type.Literal("up"),
  journal: Journal,
});
const Journaling = Type.Object({
  status: Type.Literal("journaling"),
  database: Type.Literal("away"),
  journal: Journal,
});

/** `GET /readyz`: whether the database answers, and what waits for it. For supervisors, and short enough for nodes. */
export const readyz: FastifyPluginAsyncTypebox<{ deps: ReadyzDeps }> = async (app, { deps }) => {
  app.get(
    "/readyz",
    {
      schema: { response: { 200: Ready, 503: Journaling } },
      config: { anyone: true, fitsNode: true },
    },
    async (_request, reply) => {
      const isUp = await deps.probe.isUp();
      const { records: uploads, bytes } = deps.journal?.depth() ?? { records: 0, bytes: 0 };
      const aside = deps.journal?.aside().files;
      const journal = { uploads, bytes, ...(aside && { aside }) };
      if (isUp) return { status: "ready" as const, database: "up" as const, journal };
      return reply.code(503).send({ status: "journaling", database: "away", journal });
    },
  );
};
