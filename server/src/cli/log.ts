import { pino, type Logger } from "pino";
import { hideSecrets } from "../auth/keys.ts";

/** JSON lines on standard error, so that standard output is the command's own. */
export function openLogger(level: string): Logger {
  return pino(
    {
      level,
      redact: ["*.password", "*.authorization", "*.cookie"],
      hooks: { streamWrite: hideSecrets },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
