import { pino, type Logger } from "pino";
import { hideSecrets } from "../auth/keys.ts";

/** Where a field may stand that is nobody's business. */
function wherever(field: string): string[] {
  const dot = field.startsWith("[") ? "" : ".";
  return [field, `*${dot}${field}`, `*.*${dot}${field}`];
}

/** JSON lines on standard error, so that standard output is the command's own. */
export function openLogger(level: string): Logger {
  return pino(
    {
      level,
      redact: ["password", "authorization", "cookie", '["x-api-key"]'].flatMap(wherever),
      hooks: { streamWrite: hideSecrets },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
