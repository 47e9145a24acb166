import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LiveResult, LiveSpec } from "./process.ts";

const program = fileURLToPath(new URL("process.ts", import.meta.url));

/** Has many listen in a process of its own. @returns what ends it, and answers what they heard */
export async function startListeners(spec: LiveSpec): Promise<() => Promise<LiveResult>> {
  const child = fork(program, { serialization: "advanced", stdio: "inherit" });
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`the listeners ended with exit code ${code}`);
  });
  failed.catch(() => undefined);
  const answer = async (): Promise<unknown> => {
    const [message] = (await Promise.race([once(child, "message"), failed])) as unknown[];
    return message;
  };
  child.send(spec);
  await answer();
  return async () => {
    child.send("stop");
    return (await answer()) as LiveResult;
  };
}
