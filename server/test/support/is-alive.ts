import { spawnSync } from "node:child_process";

/** Whether a process runs: one that is dead and not yet buried by who adopted it doesn't. */
export function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}
