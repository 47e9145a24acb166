import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

it.runIf(process.platform === "linux")(
  "gives way to others with every thread, those that collect and compile included",
  async () => {
    const url = new URL("../../src/cli/priority.ts", import.meta.url).href;
    const script = `
      import { readdirSync } from "node:fs";
      import { getPriority } from "node:os";
      import { giveWayToOthers } from ${JSON.stringify(url)};
      const priorities = () => readdirSync("/proc/self/task").map((thread) => getPriority(Number(thread)));
      const before = priorities();
      await giveWayToOthers();
      console.log(JSON.stringify({ before, after: priorities() }));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script]);
    const { before, after } = JSON.parse(stdout) as { before: number[]; after: number[] };
    expect(before.length).toBeGreaterThan(1);
    expect(after.length).toBeGreaterThanOrEqual(before.length);
    expect(new Set(after)).toEqual(new Set([Math.max(10, ...before)]));
  },
);
