import type { Actor } from "../store/audit.ts";

/** Who does what commands do, for the audit log. */
export const commandLine: Actor = {
  name: "command line",
  userId: undefined,
  address: undefined,
};
