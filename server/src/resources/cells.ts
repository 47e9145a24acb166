import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Cell, CellChanges, NewCell, Sensor } from "@ents-backend/schemas/cell";
import { CellId, Label } from "@ents-backend/schemas/fields";
import { Type } from "typebox";
import { getManagedCell, holdManagedCell, readerOf, requireReadable } from "../auth/access.ts";
import { requireAdmin, requirePerson } from "../auth/caller.ts";
import { transact } from "../db/transact.ts";
import { defineError } from "../lib/errors.ts";
import { recordDeed } from "../store/audit.ts";
import { getListedCell, listCells } from "../store/cell-list.ts";
import { setCellTags } from "../store/cell-tags.ts";
import {
  createCell,
  deleteCell,
  updateCell,
  type Cell as StoredCell,
  type CellChanges as Row,
} from "../store/cells.ts";
import { listSensors } from "../timeseries/sensors.ts";
import { Done } from "../http/done.ts";
import { cellDeed } from "./cell-deed.ts";
import { readCoordinates } from "../http/coordinates.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { requireOwnEmail } from "./own-email.ts";
import { CellParameter } from "../http/query.ts";

const CellList = Type.Array(Cell);
const params = Type.Object({ cell: CellParameter });
/** A part of a name; where it is empty, it isn't given. */
const Sought = Type.String({ ...Label, minLength: 0, examples: ["green"] });
const CellsQuery = Type.Object({
  name: Type.Optional(Sought),
  user: Type.Optional(Type.Boolean({ description: "those alone that the caller has a role on" })),
  tags: Type.Optional(
    Type.String({ description: "numbers of tags: any of them", maxLength: 1000 }),
  ),
});
const Created = Type.Object(
  { message: Type.String(), id: CellId, name: Type.String() },
  { title: "CreatedCell" },
);

const tagsInvalid = defineError("invalid", "tags_invalid", "Invalid tag IDs format");

/** `/cell`: the cells, and what each of them measures. */
export const cells: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock" | "settings">;
}> = async (app, { deps: { db, clock, settings } }) => {
  app.get(
    "/cell/id",
    {
      schema: {
        operationId: "listAllCells",
        summary: "All cells that the caller may read",
        response: { 200: CellList },
      },
    },
    async ({ caller }) => {
      return await listCells(db, readerOf(caller));
    },
  );

  app.get(
    "/cell",
    {
      schema: {
        operationId: "listCells",
        summary: "Cells by name, tags, and whether they are one's own",
        querystring: CellsQuery,
        response: { 200: CellList },
      },
    },
    async ({ query: { name, tags, user: own }, caller }) => {
      if (own) requirePerson(caller, "read");
      return await listCells(db, readerOf(caller), { name, own, tagIds: parseIds(tags) });
    },
  );

  app.get(
    "/cell/:cell",
    { schema: { operationId: "getCell", summary: "One cell", params, response: { 200: Cell } } },
    async ({ params: { cell }, caller }) => await getListedCell(db, readerOf(caller), cell),
  );

  app.post(
    "/cell",
    {
      preValidation: readCoordinates,
      schema: {
        operationId: "createCell",
        summary: "Makes a cell, whose owner is the caller",
        security: forPeople,
        problems: ["conflict"],
        body: NewCell,
        response: { 200: Created },
      },
    },
    async (request) => {
      const { userId } = requirePerson(request.caller, "manage");
      await requireOwnEmail(db, userId, request.body.userEmail);
      const wantedId = request.body.id ?? undefined;
      if (wantedId !== undefined) requireAdmin(request.caller);
      const { set, tagIds } = toChanges(request.body);
      const { id, name } = await transact(db, async (transaction) => {
        const { upload_policy = settings.defaultUploadPolicy, ...rest } = set;
        const row = { ...rest, name: request.body.name, userId, uploadPolicy: upload_policy };
        const created = await createCell(transaction, { ...row, id: wantedId });
        if (tagIds) await setCellTags(transaction, created.id, tagIds);
        const details = {
          ...set,
          upload_policy,
          name: created.name,
          ...(tagIds && { tag_ids: tagIds }),
        };
        await recordDeed(transaction, cellDeed(clock, request, created.id, "create", details));
        return created;
      });
      return { message: "Successfully added cell", id, name };
    },
  );

  app.put(
    "/cell/:cell",
    {
      preValidation: readCoordinates,
      schema: {
        operationId: "updateCell",
        summary: "Changes a cell",
        security: forPeople,
        params,
        body: CellChanges,
        response: { 200: Done },
      },
    },
    async (request) => {
      const { set, tagIds } = toChanges(request.body);
      await transact(db, async (transaction) => {
        const {
          caller,
          params: { cell: wanted },
        } = request;
        const cell = await holdManagedCell(transaction, caller, wanted, "editor");
        const { id } = cell;
        // A cell that is put back as it was answered says again who may read and who may upload.
        if (isOtherPolicy(cell, set)) await getManagedCell(transaction, caller, id, "owner");
        await updateCell(transaction, id, set);
        if (tagIds) await setCellTags(transaction, id, tagIds);
        const details = { ...set, ...(tagIds && { tag_ids: tagIds }) };
        await recordDeed(transaction, cellDeed(clock, request, id, "update", details));
      });
      return { message: "Successfully updated cell" };
    },
  );

  app.delete(
    "/cell/:cell",
    {
      schema: {
        operationId: "deleteCell",
        summary: "Deletes a cell and its readings",
        security: forPeople,
        params,
        response: { 200: Done },
      },
    },
    async (request) => {
      await transact(db, async (transaction) => {
        const { cell } = request.params;
        const { id, name } = await holdManagedCell(transaction, request.caller, cell, "owner");
        await deleteCell(transaction, id);
        await recordDeed(transaction, cellDeed(clock, request, id, "delete", { name }));
      });
      return { message: "Cell deleted successfully" };
    },
  );

  app.get(
    "/cell/:cell/sensors",
    {
      schema: {
        operationId: "listSensors",
        summary: "What a cell measures",
        params,
        response: { 200: Type.Array(Sensor) },
      },
    },
    async ({ params: { cell }, caller }) => {
      await requireReadable(db, caller, cell);
      return await listSensors(db, cell);
    },
  );
};

function isOtherPolicy(cell: StoredCell, set: Row): boolean {
  const { visibility = cell.visibility, upload_policy = cell.upload_policy } = set;
  return visibility !== cell.visibility || upload_policy !== cell.upload_policy;
}

/**
 * What is to be stored of a body. `lat` and `long` are the older words, and count where both stand: the others may be
 * what was answered before. Null leaves `archive` as it is.
 */
function toChanges(body: CellChanges): { set: Row; tagIds: number[] | undefined } {
  const { name, location, latitude: north, longitude: east, archive, tag_ids } = body;
  const { lat: latitude = north, long: longitude = east } = body;
  const { visibility, upload_policy } = body;
  const all = { name: name?.trim(), location, latitude, longitude, visibility, upload_policy };
  const given = Object.entries({ ...all, archive: archive ?? undefined }).filter(
    ([, value]) => value !== undefined,
  );
  return { set: Object.fromEntries(given), tagIds: tag_ids ?? undefined };
}

function parseIds(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const parts = text.split(",").map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,15}$/.test(part))) throw tagsInvalid();
  return parts.map(Number).filter((id) => id < 2 ** 31);
}
