import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Instant } from "@ents-backend/schemas/fields";
import { User } from "@ents-backend/schemas/user";
import { Type } from "typebox";
import { requireUser } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import { getSessionTimes } from "../store/sessions.ts";
import { getUser } from "../store/users.ts";
import { findCaller } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forUsers } from "../http/for-whom.ts";

const unauthorized = defineError("unauthenticated", "login_needed", "Unauthorized");

const LoggedIn = Type.Object({ loggedIn: Type.Boolean() }, { title: "LoggedIn" });
const Session = Type.Object(
  {
    id: Type.String(),
    created_at: Instant,
    ends_at: Type.String({ ...Instant, description: "at the latest" }),
    user: Type.Object({ id: Type.String(), ...User.properties, admin: Type.Boolean() }),
  },
  { title: "Session" },
);

/** `/session` and `/auth/logged_in`: whether and as whom somebody is logged in. */
export const session: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock" | "tokens">;
}> = async (app, { deps }) => {
  app.get(
    "/session",
    {
      schema: {
        operationId: "getSession",
        summary: "As whom somebody is logged in",
        security: forUsers,
        response: { 200: Session },
      },
    },
    async ({ caller }) => {
      if (caller.kind === "nobody") throw unauthorized();
      const { userId, sessionId } = requireUser(caller);
      const { id, email, first_name, last_name, admin } = await getUser(deps.db, userId);
      const { createdAt, endsAt } = await getSessionTimes(deps.db, sessionId);
      return {
        id: sessionId,
        created_at: createdAt.toISOString(),
        ends_at: endsAt.toISOString(),
        user: { id, email, first_name, last_name, admin },
      };
    },
  );

  app.get(
    "/auth/logged_in",
    {
      schema: {
        operationId: "isLoggedIn",
        summary: "Whether somebody is logged in",
        security: forUsers,
        response: { 200: LoggedIn, 401: LoggedIn },
      },
      config: { anyone: true },
    },
    async (request, reply) => {
      const { kind } = await findCaller(deps, request);
      return await reply.code(kind === "user" ? 200 : 401).send({ loggedIn: kind === "user" });
    },
  );
};
