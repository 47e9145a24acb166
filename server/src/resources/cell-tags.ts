import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Tag, TagId } from "@ents-backend/schemas/tag";
import { Type } from "typebox";
import { getManagedCell, getReadableCell, readerOf } from "../auth/access.ts";
import { recordDeed } from "../store/audit.ts";
import { addCellTag, removeCellTag, setCellTags } from "../store/cell-tags.ts";
import { getTag, listTags } from "../store/tags.ts";
import { cellDeed } from "./cell-deed.ts";
import type { ServerDeps } from "./deps.ts";
import { CellParameter } from "./query.ts";
import { TagParameter, toAnswer } from "./tags.ts";

const params = Type.Object({ cell: CellParameter });
const both = Type.Object({ cell: CellParameter, tag: TagParameter });
const Tags = Type.Array(Tag);
const TagIds = Type.Object({ tag_ids: Type.Array(TagId, { maxItems: 100 }) });
const Done = Type.Object({ message: Type.String() });

/** `/cell/{id}/tags`: readers see a cell's tags, editors change them. */
export const cellTags: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock">;
}> = async (app, { deps: { db, clock } }) => {
  app.get(
    "/cell/:cell/tags",
    { schema: { params, response: { 200: Tags } } },
    async ({ params: { cell }, caller }) => {
      const { id: cellId } = await getReadableCell(db, caller, cell);
      return (await listTags(db, readerOf(caller), { cellId })).map(toAnswer);
    },
  );

  app.post(
    "/cell/:cell/tags",
    {
      schema: {
        params,
        body: TagIds,
        response: { 200: Type.Interface([Done], { tags: Tags }) },
      },
    },
    async (request) => {
      const { caller, body } = request;
      const { id: cellId } = await getManagedCell(db, caller, request.params.cell, "editor");
      await db.transaction().execute(async (transaction) => {
        await setCellTags(transaction, cellId, body.tag_ids);
        const details = { tag_ids: body.tag_ids };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "set_tags", details));
      });
      const tags = await listTags(db, readerOf(caller), { cellId });
      return { message: "Tags assigned successfully", tags: tags.map(toAnswer) };
    },
  );

  app.put(
    "/cell/:cell/tags/:tag",
    { schema: { params: both, response: { 200: Type.Interface([Done], { tag: Tag }) } } },
    async (request) => {
      const { caller } = request;
      const { id: cellId } = await getManagedCell(db, caller, request.params.cell, "editor");
      const tag = await getTag(db, readerOf(caller), request.params.tag);
      await db.transaction().execute(async (transaction) => {
        await addCellTag(transaction, cellId, tag.id);
        const details = { tag_id: tag.id, name: tag.name };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "add_tag", details));
      });
      const counted = await getTag(db, readerOf(caller), tag.id);
      return { message: "Tag added to cell successfully", tag: toAnswer(counted) };
    },
  );

  app.delete(
    "/cell/:cell/tags/:tag",
    { schema: { params: both, response: { 200: Done } } },
    async (request) => {
      const { cell, tag } = request.params;
      const { id: cellId } = await getManagedCell(db, request.caller, cell, "editor");
      await db.transaction().execute(async (transaction) => {
        await removeCellTag(transaction, cellId, tag);
        const details = { tag_id: tag };
        await recordDeed(transaction, cellDeed(clock, request, cellId, "remove_tag", details));
      });
      return { message: "Tag removed from cell successfully" };
    },
  );
};
