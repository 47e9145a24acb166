import { CellId } from "@ents-backend/schemas/fields";
import { Cursor } from "@ents-backend/schemas/live-events";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { defineError } from "../lib/errors.ts";
import { describeSchemaError } from "../lib/schema-error.ts";
import type { LogPosition } from "../timeseries/arrivals.ts";
import { mostCells } from "./admission.ts";
import { parseCursor } from "./cursor.ts";

const invalidPayload = defineError("invalid", "invalid_payload", "{problem}");

const Payload = Compile(
  Type.Object({
    // Older dashboards take the numbers of cells from a path, as text.
    cellIds: Type.Array(Type.Union([CellId, Type.String({ pattern: "^[0-9]{1,9}$" })]), {
      maxItems: mostCells,
    }),
    cursor: Type.Optional(Cursor),
  }),
);

/** What `subscribe_cells` and `unsubscribe_cells` are about. */
export interface CellsPayload {
  readonly cellIds: readonly number[];
  readonly after: LogPosition | undefined;
}

/** @throws KnownError when a payload is not `{cellIds: [1, 2], cursor?}` */
export function parsePayload(payload: unknown): CellsPayload {
  if (!Payload.Check(payload))
    throw invalidPayload({
      problem: describeSchemaError(Payload.Errors(payload)[0], "the payload"),
    });
  const { cellIds, cursor } = payload;
  return {
    cellIds: [...new Set(cellIds.map(Number))],
    after: cursor === undefined ? undefined : parseCursor(cursor),
  };
}
