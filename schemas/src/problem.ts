import { Type } from "typebox";

/** What went wrong, in the words of RFC 9457, and under names that older clients know. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: "about:blank" }),
    title: Type.String({ description: "the status, in words" }),
    status: Type.Integer(),
    code: Type.String({ description: "what went wrong, for programs" }),
    detail: Type.String({ description: "what went wrong, for people" }),
    message: Type.String({ description: "the same as `detail`" }),
    error: Type.Optional(Type.String({ description: "the same, on some older paths" })),
    msg: Type.Optional(Type.String({ description: "the same, on some older paths" })),
    request_id: Type.Optional(
      Type.String({ description: "how the server's log calls the request" }),
    ),
  },
  {
    title: "Problem",
  },
);
