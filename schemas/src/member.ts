import { Type, type Static } from "typebox";
import { Role } from "./cell.ts";
import { nullable, UserId } from "./fields.ts";

/** A user as those see them who share a cell with them. Older clients look for a key, and never get one. */
export const OtherUser = Type.Object(
  {
    id: UserId,
    email: Type.String(),
    first_name: Type.String(),
    last_name: Type.String(),
    api_key: Type.Null(),
  },
  { title: "OtherUser" },
);
export type OtherUser = Static<typeof OtherUser>;

/** Someone who has access to a cell. */
export const Member = Type.Interface([OtherUser], { role: Role }, { title: "Member" });
export type Member = Static<typeof Member>;

/** With whom a cell is to be shared. */
export const NewMember = Type.Object(
  {
    email: Type.String({ minLength: 1, maxLength: 320, pattern: "^[^\\u0000\\ud800-\\udfff]*$" }),
    role: Type.Optional(nullable(Role)),
  },
  { title: "NewMember", examples: [{ email: "grace@example.org", role: "viewer" }] },
);

/** With whom a cell is to be shared, and with nobody else. */
export const NewMembers = Type.Object(
  {
    user_ids: Type.Array(UserId, { maxItems: 1000 }),
  },
  { title: "NewMembers", examples: [{ user_ids: ["0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11"] }] },
);
