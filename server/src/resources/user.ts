import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { FirstName, LastName, User } from "@ents-backend/schemas/user";
import { Type } from "typebox";
import { requirePerson } from "../auth/caller.ts";
import { recordDeed } from "../store/audit.ts";
import { getUser, updateUser } from "../store/users.ts";
import { actorOf } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";

const Changes = Type.Object(
  {
    first_name: Type.Optional(FirstName),
    last_name: Type.Optional(LastName),
  },
  { title: "UserChanges", examples: [{ first_name: "Ada" }] },
);

/** `/user`: the account of the caller, as they see it themselves. */
export const user: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/user",
    {
      schema: {
        operationId: "getUser",
        summary: "One's account",
        security: forPeople,
        response: { 200: User },
      },
    },
    async ({ caller }) => getUser(db, requirePerson(caller, "read").userId),
  );

  app.put(
    "/user",
    {
      schema: {
        operationId: "updateUser",
        summary: "Changes one's name",
        security: forPeople,
        body: Changes,
        response: { 200: User },
      },
    },
    async (request) => {
      const { userId } = requirePerson(request.caller, "manage");
      const { first_name, last_name } = request.body;
      return await db.transaction().execute(async (transaction) => {
        await recordDeed(transaction, {
          at: clock(),
          actor: actorOf(request),
          action: "update",
          objectType: "user",
          objectId: userId,
        });
        return await updateUser(transaction, userId, {
          first_name: first_name?.trim(),
          last_name: last_name?.trim(),
        });
      });
    },
  );
};
