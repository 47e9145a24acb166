import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Role } from "@ents-backend/schemas/cell";
import { nullable, UserId } from "@ents-backend/schemas/fields";
import { Member, NewMember, NewMembers, OtherUser } from "@ents-backend/schemas/member";
import { Type } from "typebox";
import { getManagedCell, holdManagedCell } from "../auth/access.ts";
import { requirePerson } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";
import { recordDeed } from "../store/audit.ts";
import * as members from "../store/members.ts";
import { getKnownUsers, getUserByEmail, type User } from "../store/users.ts";
import { Done } from "../http/done.ts";
import { cellDeed } from "./cell-deed.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { CellParameter } from "../http/query.ts";

const params = Type.Object({ cell: CellParameter });
const both = Type.Object({ cell: CellParameter, user: UserId });
const Members = Type.Array(Member);
const SharedWith = Type.Object(
  { message: Type.String(), user: OtherUser },
  { title: "SharedWith" },
);
const NewRole = Type.Union([Type.Object({ role: Type.Optional(nullable(Role)) }), Type.Null()]);

/**
 * `/cell/{id}/users` and `/cell/{id}/share`: who has access to a cell. Its members see that, and nobody else, be
 * the cell public or not; owners change it, and everyone may leave.
 */
export const cellUsers: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/cell/:cell/users",
    {
      schema: {
        operationId: "listCellUsers",
        summary: "Who has access to a cell; for them alone",
        security: forPeople,
        params,
        response: { 200: Members },
      },
    },
    async ({ params: { cell }, caller }) => {
      const { id } = await getManagedCell(db, caller, cell, "viewer", "read");
      return await listForAnswer(db, id);
    },
  );

  app.post(
    "/cell/:cell/share",
    {
      schema: {
        operationId: "shareCell",
        summary: "Gives someone a role on a cell, by e-mail address",
        security: forPeople,
        problems: ["conflict"],
        params,
        body: NewMember,
        response: { 200: SharedWith },
      },
    },
    async (request) => {
      const { caller, body } = request;
      const role = body.role ?? "editor";
      const shared = await transact(db, async (transaction) => {
        const { id } = await holdManagedCell(transaction, caller, request.params.cell, "owner");
        const user = await getUserByEmail(transaction, body.email);
        if (role === "owner") await members.handOver(transaction, id, user.id);
        else await members.addMember(transaction, id, user.id, role);
        const action = role === "owner" ? "hand_over" : "share";
        const details = { user_id: user.id, role };
        await recordDeed(transaction, cellDeed(clock, request, id, action, details));
        return toOtherUser(user);
      });
      return { message: "Cell shared successfully", user: shared };
    },
  );

  app.post(
    "/cell/:cell/users",
    {
      schema: {
        operationId: "setCellUsers",
        summary: "Gives these users access to a cell, and no others",
        security: forPeople,
        problems: ["conflict"],
        params,
        body: NewMembers,
        response: { 200: Type.Interface([Done], { users: Members }) },
      },
    },
    async (request) => {
      const { caller, body } = request;
      const { user_ids } = body;
      const users = await transact(db, async (transaction) => {
        const { id } = await holdManagedCell(transaction, caller, request.params.cell, "owner");
        await getKnownUsers(transaction, requirePerson(caller, "manage"), user_ids);
        await members.setMembers(transaction, id, user_ids);
        await recordDeed(transaction, cellDeed(clock, request, id, "set_users", { user_ids }));
        return await listForAnswer(transaction, id);
      });
      return { message: "Users assigned successfully", users };
    },
  );

  app.put(
    "/cell/:cell/users/:user",
    {
      schema: {
        operationId: "addCellUser",
        summary: "Gives someone a role on a cell, who is known already",
        security: forPeople,
        problems: ["conflict"],
        params: both,
        body: NewRole,
        response: { 200: SharedWith },
      },
    },
    async (request) => {
      const { caller, body } = request;
      const role = body?.role ?? undefined;
      const shared = await transact(db, async (transaction) => {
        const { id } = await holdManagedCell(transaction, caller, request.params.cell, "owner");
        const person = requirePerson(caller, "manage");
        const user = (await getKnownUsers(transaction, person, [request.params.user]))[0]!;
        await giveRole(transaction, id, user.id, role);
        const action = role === "owner" ? "hand_over" : "share";
        const details = { user_id: user.id, role: role ?? "editor" };
        await recordDeed(transaction, cellDeed(clock, request, id, action, details));
        return toOtherUser(user);
      });
      return { message: "User added to cell successfully", user: shared };
    },
  );

  app.delete(
    "/cell/:cell/users/:user",
    {
      schema: {
        operationId: "removeCellUser",
        summary: "Takes someone's access to a cell away",
        security: forPeople,
        problems: ["conflict"],
        params: both,
        response: { 200: Done },
      },
    },
    async (request) => {
      const { caller } = request;
      const user = request.params.user.toLowerCase();
      const role = user === requirePerson(caller, "manage").userId ? "viewer" : "owner";
      await transact(db, async (transaction) => {
        const { id } = await holdManagedCell(transaction, caller, request.params.cell, role);
        await members.removeMember(transaction, id, user);
        await recordDeed(transaction, cellDeed(clock, request, id, "unshare", { user_id: user }));
      });
      return { message: "User removed from cell successfully" };
    },
  );
};

/** A user as others see them. */
export function toOtherUser({
  id,
  email,
  first_name,
  last_name,
}: User | members.Member): OtherUser {
  return { id, email, first_name, last_name, api_key: null };
}

/** Makes someone an editor who had no role; a role that is named replaces the one they had. */
async function giveRole(
  db: Db,
  cellId: number,
  userId: string,
  role: members.Role | undefined,
): Promise<void> {
  if (role === undefined) return await members.addMember(db, cellId, userId, "editor");
  if (role === "owner") return await members.handOver(db, cellId, userId);
  await members.setMember(db, cellId, userId, role);
}

async function listForAnswer(db: Db, cellId: number): Promise<Member[]> {
  const all = await members.listMembers(db, cellId);
  return all.map((member) => ({ ...toOtherUser(member), role: member.role }));
}
