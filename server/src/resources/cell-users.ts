import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Role } from "@ents-backend/schemas/cell";
import { nullable, UserId } from "@ents-backend/schemas/fields";
import { Member, NewMember, NewMembers, OtherUser } from "@ents-backend/schemas/member";
import { Type } from "typebox";
import { getManagedCell } from "../auth/access.ts";
import type { Db } from "../db/connect.ts";
import { recordDeed } from "../store/audit.ts";
import * as members from "../store/members.ts";
import { getUser, getUserByEmail, type User } from "../store/users.ts";
import { cellDeed } from "./cell-deed.ts";
import type { ServerDeps } from "./deps.ts";
import { CellParameter } from "./query.ts";

const params = Type.Object({ cell: CellParameter });
const both = Type.Object({ cell: CellParameter, user: UserId });
const Members = Type.Array(Member);
const Done = Type.Object({ message: Type.String() });
const SharedWith = Type.Object({ message: Type.String(), user: OtherUser });
const NewRole = Type.Union([Type.Object({ role: Type.Optional(nullable(Role)) }), Type.Null()]);

/**
 * `/cell/{id}/users` and `/cell/{id}/share`: who has access to a cell. Its members see that, and nobody else, be
 * the cell public or not; owners change it.
 */
export const cellUsers: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/cell/:cell/users",
    { schema: { params, response: { 200: Members } } },
    async ({ params: { cell }, caller }) => {
      const { id } = await getManagedCell(db, caller, cell, "viewer", "read");
      return await listForAnswer(db, id);
    },
  );

  app.post(
    "/cell/:cell/share",
    { schema: { params, body: NewMember, response: { 200: SharedWith } } },
    async (request) => {
      const { id } = await getManagedCell(db, request.caller, request.params.cell, "owner");
      const user = await getUserByEmail(db, request.body.email);
      const role = request.body.role ?? "editor";
      await db.transaction().execute(async (transaction) => {
        if (role === "owner") await members.handOver(transaction, id, user.id);
        else await members.addMember(transaction, id, user.id, role);
        const action = role === "owner" ? "hand_over" : "share";
        const details = { user_id: user.id, role };
        await recordDeed(transaction, cellDeed(clock, request, id, action, details));
      });
      return { message: "Cell shared successfully", user: toOtherUser(user) };
    },
  );

  app.post(
    "/cell/:cell/users",
    {
      schema: {
        params,
        body: NewMembers,
        response: { 200: Type.Interface([Done], { users: Members }) },
      },
    },
    async (request) => {
      const { user_ids } = request.body;
      const { id } = await getManagedCell(db, request.caller, request.params.cell, "owner");
      await db.transaction().execute(async (transaction) => {
        await members.setMembers(transaction, id, user_ids);
        await recordDeed(transaction, cellDeed(clock, request, id, "set_users", { user_ids }));
      });
      return { message: "Users assigned successfully", users: await listForAnswer(db, id) };
    },
  );

  app.put(
    "/cell/:cell/users/:user",
    { schema: { params: both, body: NewRole, response: { 200: SharedWith } } },
    async (request) => {
      const { id } = await getManagedCell(db, request.caller, request.params.cell, "owner");
      const user = await getUser(db, request.params.user);
      const role = request.body?.role ?? undefined;
      await db.transaction().execute(async (transaction) => {
        await giveRole(transaction, id, user.id, role);
        const action = role === "owner" ? "hand_over" : "share";
        const details = { user_id: user.id, role: role ?? "editor" };
        await recordDeed(transaction, cellDeed(clock, request, id, action, details));
      });
      return { message: "User added to cell successfully", user: toOtherUser(user) };
    },
  );

  app.delete(
    "/cell/:cell/users/:user",
    { schema: { params: both, response: { 200: Done } } },
    async (request) => {
      const { cell, user } = request.params;
      const { id } = await getManagedCell(db, request.caller, cell, "owner");
      await db.transaction().execute(async (transaction) => {
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
