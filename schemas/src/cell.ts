import { Type, type Static } from "typebox";
import { CellId } from "./fields.ts";

const nullable = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

/** A cell as the API answers it. */
export const Cell = Type.Object({
  id: CellId,
  name: Type.String(),
  location: nullable(Type.String()),
  latitude: nullable(Type.Number({ description: "degrees north" })),
  longitude: nullable(Type.Number({ description: "degrees east" })),
  archive: Type.Boolean(),
  user_id: nullable(Type.String({ format: "uuid" })),
  upload_policy: Type.Enum(["key", "open"]),
});
export type Cell = Static<typeof Cell>;

/** One stream of readings of a cell, as the API answers it. */
export const Sensor = Type.Object({
  id: Type.Integer(),
  cell_id: CellId,
  measurement: Type.String(),
  data_type: Type.Enum(["int", "float"]),
  unit: Type.String(),
  name: Type.String(),
});
export type Sensor = Static<typeof Sensor>;
