import { Type, type Static } from "typebox";
import { Instant, Name, nullable } from "./fields.ts";

/** What a key may be used for. */
const Scope = Type.Enum(["read", "upload", "manage"], { title: "Scope" });

/** A key's number in the database. */
const KeyId = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** A user's key as it is shown: never the key itself. */
export const Key = Type.Object(
  {
    id: KeyId,
    name: Type.String(),
    prefix: Type.String({ description: "the key's first characters" }),
    scopes: Type.Array(Scope),
    created_at: Instant,
    expires_at: nullable(Instant),
    last_used_at: nullable(Instant),
  },
  {
    title: "Key",
    examples: [
      {
        id: 1,
        name: "notebook",
        prefix: "ents_Xk3v",
        scopes: ["read"],
        created_at: "2024-01-16T12:00:00.000Z",
        expires_at: null,
        last_used_at: null,
      },
    ],
  },
);
export type Key = Static<typeof Key>;

/** A key as it is shown once, to who made it. */
export const CreatedKey = Type.Interface(
  [Key],
  { key: Type.String({ examples: ["ents_pUZt0mAq8JxV3cWn5rKd9sGf1hLb7yE2oQi4uTzXwCv0aBc12D"] }) },
  { title: "CreatedKey" },
);

/** A key to be made. */
export const NewKey = Type.Object(
  {
    name: Name,
    scopes: Type.Array(Scope, { minItems: 1, maxItems: 10 }),
    expires_at: Type.Optional(nullable(Type.String({ description: "ISO 8601" }))),
  },
  {
    title: "NewKey",
    examples: [{ name: "notebook", scopes: ["read"], expires_at: "2030-01-31T12:00:00Z" }],
  },
);

/** A user's one key that has no name: whole when it is made, its first characters later. */
export const OnlyKey = Type.Object({ api_key: nullable(Type.String()) }, { title: "OnlyKey" });

/** How a logger's upload key is to be made. */
export const NewUploadKey = Type.Object(
  {
    overlap_s: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 30 * 24 * 3600,
        description: "seconds for which the key before goes on; a day where it isn't said",
      }),
    ),
  },
  { title: "NewUploadKey", examples: [{ overlap_s: 3600 }] },
);

/** A logger's upload key, shown once. */
export const UploadKey = Type.Object(
  {
    upload_key: Type.String(),
    upload_url: Type.String({ description: "where a node uploads with it: it needs no header" }),
    previous_ends_at: nullable(Instant),
    warning: Type.Optional(Type.String()),
  },
  { title: "UploadKey" },
);
