import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import type { DatabaseProbe } from "../db/probe.ts";
import type { Aside } from "../lib/journal-aside.ts";
import type { Depth } from "../lib/journal-directory.ts";
import type { Bell } from "../tasks/bell.ts";

export interface ReadyzDeps {
  readonly probe: Pick<DatabaseProbe, "isUp">;
  /** What holds uploads on disk. Undefined: nothing does. */
  readonly journal?: {
    depth(): Pick<Depth, "records" | "bytes">;
    aside(): Aside;
  };
  readonly bell: Pick<Bell, "isUp">;
}

const Journal = Type.Object({
  /** How many are still to be applied. */
  uploads: Type.Integer(),
  bytes: Type.Integer(),
  /** Files that were damaged or could not be applied, and wait for someone to look at them. */
  aside: Type.Optional(Type.Integer()),
});
/** What tells workers of tasks. While it is away tasks are taken all the same, and begin later. */
const Queue = Type.Enum(["up", "away"]);
const Ready = Type.Object({
  status: Type.Literal("ready"),
  database: Type.Literal("up"),
  queue: Queue,
  journal: Journal,
});
const Journaling = Type.Object({
  status: Type.Literal("journaling"),
  database: Type.Literal("away"),
  queue: Queue,
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
      const queue = deps.bell.isUp() ? ("up" as const) : ("away" as const);
      if (isUp) return { status: "ready" as const, database: "up" as const, queue, journal };
      return reply.code(503).send({ status: "journaling", database: "away", queue, journal });
    },
  );
};
