import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";

const module = new URL("../../src/cli/watchdog.ts", import.meta.url).href;

/** Runs a script beside a watchdog that waits half a second. @returns the signal that it ended with, and its exit code */
async function run(script: string): Promise<unknown[]> {
  const source = `import { killWhenStuck } from ${JSON.stringify(module)}; killWhenStuck(500); ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return [signal, code];
}

it("kills a process that stands still, and none that works or has nothing to do", async () => {
  const stuck = "setTimeout(() => { for (;;); }, 100);";
  const busy = `const end = Date.now() + 1500; const work = () => {
    for (const until = Date.now() + 50; Date.now() < until;);
    if (Date.now() < end) setImmediate(work);
  }; work();`;
  expect(await Promise.all([run(stuck), run(busy), run("")])).toEqual([
    ["SIGKILL", null],
    [null, 0],
    [null, 0],
  ]);
});
