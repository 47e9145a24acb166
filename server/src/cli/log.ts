import { pino, type Logger } from "pino";
import { hideSecrets } from "../auth/keys.ts";
import type { Config } from "../config.ts";

/** Where a field may stand that is nobody's business. */
function wherever(field: string): string[] {
  const dot = field.startsWith("[") ? "" : ".";
  return [field, `*${dot}${field}`, `*.*${dot}${field}`];
}

/** What a command logs is kept to warnings where nothing else is asked for: it speaks for itself. */
export function openCommandLogger({ logLevel }: Pick<Config, "logLevel">): Logger {
  return openLogger(logLevel === "info" ? "warn" : logLevel);
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
