import { Type, type Static } from "typebox";
import { Line } from "./fields.ts";

/** An e-mail address; white space around it doesn't count. */
export const Email = Type.String({
  maxLength: 254,
  pattern:
    '^\\s*[^\\s@"(),:;<>\\[\\\\\\]\\u0000-\\u001f\\u007f\\ud800-\\udfff]{1,64}@' +
    "[\\p{L}\\p{N}]([\\p{L}\\p{N}-]*[\\p{L}\\p{N}])?(\\.[\\p{L}\\p{N}]([\\p{L}\\p{N}-]*[\\p{L}\\p{N}])?)+\\s*$",
  description: "An e-mail address",
});

/** A first name: somebody is called something. */
export const FirstName = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^(?=.*\\S)[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$",
});

/** A last name: not everybody has one. */
export const LastName = Line;

/** Someone with an account, as they see themselves. */
export const User = Type.Object(
  {
    email: Type.String(),
    first_name: Type.String(),
    last_name: Type.String(),
  },
  {
    title: "User",
    examples: [{ email: "ada@example.org", first_name: "Ada", last_name: "Example" }],
  },
);
export type User = Static<typeof User>;
