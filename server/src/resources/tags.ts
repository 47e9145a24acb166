import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Cell } from "@ents-backend/schemas/cell";
import { Label } from "@ents-backend/schemas/fields";
import { NewTag, Tag, TagChanges } from "@ents-backend/schemas/tag";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { readerOf } from "../auth/access.ts";
import { requirePerson, type Caller } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { holdRow, transact } from "../db/transact.ts";
import { defineError } from "../lib/errors.ts";
import { recordDeed, type Deed } from "../store/audit.ts";
import { listCells } from "../store/cell-list.ts";
import {
  createTag,
  deleteTag,
  getTag,
  listTags,
  updateTag,
  type Tag as Row,
} from "../store/tags.ts";
import { Done } from "../http/done.ts";
import { actorOf } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";

/** A tag's number in a path; see CellParameter on why it isn't an integer. */
export const TagParameter = Type.Number({
  minimum: 1,
  maximum: 2 ** 31 - 1,
  multipleOf: 1,
  description: "a tag's number",
  examples: [1],
});

const params = Type.Object({ tag: TagParameter });
const DoneTo = Type.Object({ message: Type.String(), tag: Tag }, { title: "DoneToTag" });
const TagsQuery = Type.Object({
  // Where it is empty, it isn't given.
  search: Type.Optional(Type.String({ ...Label, minLength: 0, examples: ["rice"] })),
});
const TagWithCells = Type.Object({ tag: Tag, cells: Type.Array(Cell) }, { title: "TagWithCells" });

const notYourTag = defineError(
  "forbidden",
  "not_your_tag",
  "Only its creator or an admin may change a tag",
);

/** `/tag`: the words that cells are found by. Anyone reads them, anyone logged in makes them. */
export const tags: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/tag",
    {
      schema: {
        operationId: "listTags",
        summary: "The tags",
        querystring: TagsQuery,
        response: { 200: Type.Array(Tag) },
      },
    },
    async ({ query: { search }, caller }) =>
      (await listTags(db, readerOf(caller), { search })).map(toAnswer),
  );

  app.get(
    "/tag/:tag",
    { schema: { operationId: "getTag", summary: "One tag", params, response: { 200: Tag } } },
    async ({ params: { tag }, caller }) => toAnswer(await getTag(db, readerOf(caller), tag)),
  );

  app.get(
    "/tags/:tag/cells",
    {
      schema: {
        operationId: "listCellsOfTag",
        summary: "The cells that have a tag",
        params,
        response: { 200: TagWithCells },
      },
    },
    async ({ params: { tag: id }, caller }) => {
      const tag = await getTag(db, readerOf(caller), id);
      return { tag: toAnswer(tag), cells: await listCells(db, readerOf(caller), { tagIds: [id] }) };
    },
  );

  app.post(
    "/tag",
    {
      schema: {
        operationId: "createTag",
        summary: "Makes a tag",
        security: forPeople,
        problems: ["conflict"],
        body: NewTag,
        response: { 201: DoneTo },
      },
    },
    async (request, reply) => {
      const { userId } = requirePerson(request.caller, "manage");
      const { name, description = null } = request.body;
      const id = await transact(db, async (transaction) => {
        const made = await createTag(transaction, { name, description, creatorId: userId });
        const details = { name: name.trim(), description };
        await recordDeed(transaction, toDeed(request, clock(), "create", made, details));
        return made;
      });
      const tag = toAnswer(await getTag(db, readerOf(request.caller), id));
      return reply.code(201).send({ message: "Tag created successfully", tag });
    },
  );

  app.put(
    "/tag/:tag",
    {
      schema: {
        operationId: "updateTag",
        summary: "Changes a tag; for who made it",
        security: forPeople,
        params,
        body: TagChanges,
        response: { 200: DoneTo },
      },
    },
    async (request) => {
      const { caller } = request;
      const { name, description } = request.body;
      const changes = {
        ...(name !== undefined && { name: name.trim() }),
        ...(description !== undefined && { description }),
      };
      const tag = await transact(db, async (transaction) => {
        const { id } = await holdManagedTag(transaction, caller, request.params.tag);
        await updateTag(transaction, id, changes);
        await recordDeed(transaction, toDeed(request, clock(), "update", id, changes));
        return await getTag(transaction, readerOf(caller), id);
      });
      return { message: "Tag updated successfully", tag: toAnswer(tag) };
    },
  );

  app.delete(
    "/tag/:tag",
    {
      schema: {
        operationId: "deleteTag",
        summary: "Deletes a tag; for who made it",
        security: forPeople,
        params,
        response: { 200: Done },
      },
    },
    async (request) => {
      await transact(db, async (transaction) => {
        const { id, name } = await holdManagedTag(transaction, request.caller, request.params.tag);
        await deleteTag(transaction, id);
        await recordDeed(transaction, toDeed(request, clock(), "delete", id, { name }));
      });
      return { message: "Tag deleted successfully" };
    },
  );
};

/** A tag as the API answers it. */
export function toAnswer({ created_at, ...tag }: Row): Tag {
  return { ...tag, created_at: created_at.toISOString() };
}

/** A tag that the caller may change; it stays as it is seen here until the transaction ends. */
async function holdManagedTag(transaction: Db, caller: Caller, id: number): Promise<Row> {
  const { userId, admin } = requirePerson(caller, "manage");
  await holdRow(transaction, "tag", id);
  const tag = await getTag(transaction, readerOf(caller), id);
  if (tag.created_by !== userId && !admin) throw notYourTag();
  return tag;
}

function toDeed(
  request: Pick<FastifyRequest, "caller" | "ip">,
  at: number,
  action: string,
  id: number,
  details: object,
): Deed {
  return {
    at,
    actor: actorOf(request),
    action,
    objectType: "tag",
    objectId: String(id),
    details,
  };
}
