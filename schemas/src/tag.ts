import { Type, type Static } from "typebox";
import { Instant, Name, nullable, Text } from "./fields.ts";

/** A tag's number in the database. */
export const TagId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** A word that cells are found by, as the API answers it. */
export const Tag = Type.Object({
  id: TagId,
  name: Type.String(),
  description: nullable(Type.String()),
  created_at: Instant,
  created_by: nullable(Type.String({ description: "a user's number" })),
  cell_count: Type.Integer({ description: "of the cells that the caller may read" }),
});
export type Tag = Static<typeof Tag>;

/** A tag to be made. */
export const NewTag = Type.Object({ name: Name, description: Type.Optional(nullable(Text)) });

/** Changes to a tag. */
export const TagChanges = Type.Object({
  name: Type.Optional(Name),
  description: Type.Optional(nullable(Text)),
});
