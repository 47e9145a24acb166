import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Tag, TagId } from "@ents-backend/schemas/tag";
import { Type } from "typebox";
import { getReadableCell, holdManagedCell, readerOf } from "../auth/access.ts";
import { transact } from "../db/transact.ts";
import { recordDeed } from "../store/audit.ts";
import { addCellTag, removeCellTag, setCellTags } from "../store/cell-tags.ts";
import { getTag, listTags } from "../store/tags.ts";
import { Done } from "../http/done.ts";
import { cellDeed } from "./cell-deed.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { CellParameter } from "../http/query.ts";
import { TagParameter, toAnswer } from "./tags.ts";

const params = Type.Object({ cell: CellParameter });
const both = Type.Object({ cell: CellParameter, tag: TagParameter });
const Tags = Type.Array(Tag);
const TagIds = Type.Object(
  { tag_ids: Type.Array(TagId, { maxItems: 100 }) },
  { title: "TagIds", examples: [{ tag_ids: [1] }] },
);

/** `/cell/{id}/tags`: readers see a cell's tags, editors change them. */
export const cellTags: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/cell/:cell/tags",
    {
      schema: {
        operationId: "listCellTags",
        summary: "A cell's tags",
        params,
        response: { 200: Tags },
      },
    },
    async ({ params: { cell }, caller }) => {
      const { id: cellId } = await getReadableCell(db, caller, cell);
      return (await listTags(db, readerOf(caller), { cellId })).map(toAnswer);
    },
  );

  app.post(
    "/cell/:cell/tags",
    {
      schema: {
        operationId: "setCellTags",
        summary: "Gives a cell these tags, and no others",
        security: forPeople,
        params,
        body: TagIds,
        response: { 200: Type.Interface([Done], { tags: Tags }) },
      },
    },
    async (request) => {
      const { caller, body } = request;
      const tags = await transact(db, async (transaction) => {
        const { cell } = request.params;
        const { id: cellId } = await holdManagedCell(transaction, caller, cell, "editor");
        await setCellTags(transaction, cellId, body.tag_ids);
        const details = { tag_ids: body.tag_ids };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "set_tags", details));
        return await listTags(transaction, readerOf(caller), { cellId });
      });
      return { message: "Tags assigned successfully", tags: tags.map(toAnswer) };
    },
  );

  app.put(
    "/cell/:cell/tags/:tag",
    {
      schema: {
        operationId: "addCellTag",
        summary: "Gives a cell one tag more",
        security: forPeople,
        params: both,
        response: { 200: Type.Interface([Done], { tag: Tag }) },
      },
    },
    async (request) => {
      const { caller } = request;
      const tag = await transact(db, async (transaction) => {
        const { id: cellId } = await holdManagedCell(
          transaction,
          caller,
          request.params.cell,
          "editor",
        );
        const { id, name } = await getTag(transaction, readerOf(caller), request.params.tag);
        await addCellTag(transaction, cellId, id);
        const details = { tag_id: id, name };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "add_tag", details));
        return await getTag(transaction, readerOf(caller), id);
      });
      return { message: "Tag added to cell successfully", tag: toAnswer(tag) };
    },
  );

  app.delete(
    "/cell/:cell/tags/:tag",
    {
      schema: {
        operationId: "removeCellTag",
        summary: "Takes a tag from a cell",
        security: forPeople,
        params: both,
        response: { 200: Done },
      },
    },
    async (request) => {
      const { cell, tag } = request.params;
      await transact(db, async (transaction) => {
        const { id: cellId } = await holdManagedCell(transaction, request.caller, cell, "editor");
        await removeCellTag(transaction, cellId, tag);
        const details = { tag_id: tag };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "remove_tag", details));
      });
      return { message: "Tag removed from cell successfully" };
    },
  );
};
