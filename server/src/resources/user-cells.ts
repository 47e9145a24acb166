import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Cell } from "@ents-backend/schemas/cell";
import { UserId } from "@ents-backend/schemas/fields";
import { OtherUser } from "@ents-backend/schemas/member";
import { Type } from "typebox";
import { requirePerson } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import { listCells } from "../store/cell-list.ts";
import { getUser } from "../store/users.ts";
import { toOtherUser } from "./cell-users.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";

const params = Type.Object({ user: UserId });
const UserWithCells = Type.Object(
  { user: OtherUser, cells: Type.Array(Cell) },
  { title: "UserWithCells" },
);

const notYou = defineError(
  "forbidden",
  "not_you",
  "Only they themselves, or an admin, may list a user's cells",
);

/** `/users/{user}/cells`: the cells that a user has a role on, for themselves and admins. */
export const userCells: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db">;
}> = async (app, { deps: { db } }) => {
  app.get(
    "/users/:user/cells",
    {
      schema: {
        operationId: "listCellsOfUser",
        summary: "The cells that a user has a role on; for themselves and admins",
        security: forPeople,
        params,
        response: { 200: UserWithCells },
      },
    },
    async (request) => {
      const userId = request.params.user.toLowerCase();
      const person = requirePerson(request.caller, "read");
      if (person.userId !== userId && !person.admin) throw notYou();
      const user = await getUser(db, userId);
      const cells = await listCells(db, { userId, admin: false }, { own: true });
      return { user: toOtherUser(user), cells };
    },
  );
};
