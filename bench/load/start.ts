import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LoadResult, LoadSpec } from "./load.ts";

/** A load that is under way. */
export interface RunningLoad {
  readonly result: Promise<LoadResult>;
  /** Lets it send no more, and answers what it measured. */
  stop(): Promise<LoadResult>;
}

const program = fileURLToPath(new URL("process.ts", import.meta.url));

/** Starts a load in a process of its own, so that what measures doesn't wait for what is measured. */
export function startLoad(spec: LoadSpec): RunningLoad {
  const child = fork(program, { serialization: "advanced", stdio: "inherit" });
  child.send(spec);
  const result = Promise.race([
    once(child, "message").then(([message]) => message as LoadResult),
    once(child, "exit").then(([code]) => {
      throw new Error(`the load ended with exit code ${code}`);
    }),
  ]);
  // Whoever asks hears of it; nobody needs to ask before it's over.
  result.catch(() => undefined);
  return {
    result,
    async stop() {
      child.send("stop");
      return await result;
    },
  };
}

export async function runLoad(spec: LoadSpec): Promise<LoadResult> {
  return await startLoad(spec).result;
}
