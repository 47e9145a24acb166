import { Type, type Static } from "typebox";
import { Instant, nullable } from "./fields.ts";

/** Something that someone did. */
const Entry = Type.Object(
  {
    id: Type.Integer(),
    at: Instant,
    actor: Type.String({ description: "user, key {id}, upload key, command line, nobody" }),
    account_id: nullable(Type.String({ description: "the user who did it, or whose key did" })),
    address: nullable(Type.String({ description: "from where" })),
    action: Type.String(),
    object_type: Type.String(),
    object_id: Type.String(),
    cell_id: nullable(Type.Integer()),
    details: Type.Unsafe<object>(Type.Record(Type.String(), Type.Unknown())),
  },
  { title: "AuditEntry" },
);

/** What was done, the newest first; `before={next}` goes on. */
export const AuditLog = Type.Object(
  {
    entries: Type.Array(Entry),
    next: nullable(Type.Integer()),
  },
  { title: "AuditLog" },
);
export type AuditLog = Static<typeof AuditLog>;
