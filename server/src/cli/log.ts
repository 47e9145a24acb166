import { pino, type Logger } from "pino";

/** JSON lines on standard error, so that standard output is the command's own. */
export function openLogger(level: string): Logger {
  return pino(
    { level, redact: ["*.password", "*.authorization", "*.cookie"] },
    pino.destination({ fd: 2, sync: true }),
  );
}
