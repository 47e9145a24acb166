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
    examples: [
      {
        type: "about:blank",
        title: "Not Found",
        status: 404,
        code: "cell_not_found",
        detail: "There is no cell 999",
        message: "There is no cell 999",
        request_id: "0198c9b2-6d1f-7c3a-9c1e-5b8f6f3a2d10",
      },
    ],
  },
);
