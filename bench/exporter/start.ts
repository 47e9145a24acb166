import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ExportParams } from "@ents-backend/schemas/export";

/** How an export went. */
export interface Exported {
  readonly bytes: number;
  readonly seconds: number;
  /** What it took of the processors, PostgreSQL's part included; NaN where the system doesn't tell. */
  readonly cpu_s: number;
}

/** A process that makes exports, one after the other. */
export interface Exporter {
  readonly pid: number;
  readonly run: (params: ExportParams) => Promise<Exported>;
}

const program = fileURLToPath(new URL("process.ts", import.meta.url));

/** Starts an exporter, uses it, and ends it. */
export async function withExporter<T>(
  databaseUrl: string,
  use: (exporter: Exporter) => Promise<T>,
): Promise<T> {
  const child = fork(program, [databaseUrl], { stdio: "inherit" });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the exporter ended with exit code ${code}`);
  });
  // Whoever waits for an answer hears of it.
  ended.catch(() => undefined);
  const answer = async () => (await Promise.race([once(child, "message"), ended]))[0] as unknown;
  try {
    await answer();
    return await use({
      pid: child.pid!,
      async run(params) {
        const answered = answer();
        child.send(params);
        return (await answered) as Exported;
      },
    });
  } finally {
    child.kill("SIGKILL");
  }
}
