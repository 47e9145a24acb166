// Runs a command of ents-backend, begins it again whenever its source changes, and writes its logs for people:
// `node scripts/run.js scripts/dev.js start`, or `work`.

import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, "server/bin/ents-backend.js");
const watched = ["server/src", "server/migrations", "schemas/src"].map(
  (path) => `--watch-path=${join(root, path)}`,
);
const levels = { 20: "debug", 30: "info", 40: "WARN", 50: "ERROR", 60: "FATAL" };

const child = spawn(
  process.execPath,
  [...watched, "--watch-preserve-output", program, ...process.argv.slice(2)],
  { stdio: ["ignore", "inherit", "pipe"], env: { WEB_CONCURRENCY: "1", ...process.env } },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 0));
for await (const line of createInterface({ input: child.stderr })) console.error(readable(line));

/** A line of the log as people read it: when, how bad, what, and what else; any other line as it is. */
function readable(line) {
  if (!line.startsWith("{")) return line;
  try {
    const { level, time, pid, hostname: _, msg, err, ...rest } = JSON.parse(line);
    const when = new Date(time).toTimeString().slice(0, 8);
    const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : "";
    const cause = err ? `\n  ${err.stack ?? err.message}` : "";
    return `${when} ${levels[level] ?? level} [${pid}] ${msg}${more}${cause}`;
  } catch {
    return line;
  }
}
