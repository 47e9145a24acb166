import { Type } from "typebox";

/** The answer of what was done and has nothing else to say. */
export const Done = Type.Object({ message: Type.String() }, { title: "Done" });
