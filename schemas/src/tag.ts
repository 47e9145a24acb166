import { Type, type Static } from "typebox";
import { Instant, Name, nullable, Text } from "./fields.ts";

/** A tag's number in the database. */
export const TagId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** A word that cells are found by, as the API answers it. */
export const Tag = Type.Object(
  {
    id: TagId,
    name: Type.String(),
    description: nullable(Type.String()),
    created_at: Instant,
    created_by: nullable(Type.String({ description: "a user's number" })),
    cell_count: Type.Integer({ description: "of the cells that the caller may read" }),
  },
  {
    title: "Tag",
    examples: [
      {
        id: 1,
        name: "rice",
        description: "paddies",
        created_at: "2024-01-16T12:00:00.000Z",
        created_by: "0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11",
        cell_count: 3,
      },
    ],
  },
);
export type Tag = Static<typeof Tag>;

/** A tag to be made. */
export const NewTag = Type.Object(
  { name: Name, description: Type.Optional(nullable(Text)) },
  { title: "NewTag", examples: [{ name: "rice", description: "paddies" }] },
);

/** Changes to a tag. */
export const TagChanges = Type.Object(
  {
    name: Type.Optional(Name),
    description: Type.Optional(nullable(Text)),
  },
  { title: "TagChanges", examples: [{ description: "paddies of 2024" }] },
);
