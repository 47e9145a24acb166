import { readFile } from "node:fs/promises";

/** Of a tick, in seconds: what Linux counts in, whatever its kernel's clock does. */
const tick_s = 0.01;

/**
 * What a process and those that it has begun have taken of the processors, in seconds: those that live, and those that
 * have ended since.
 */
export async function cpuTimeOfAll(pid: number): Promise<number> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const children = list.split(" ").filter(Boolean).map(Number);
  const { own_s, ended_s } = await readTimes(pid);
  const times = await Promise.all(children.map(cpuTimeOfAll));
  return times.reduce((sum, one) => sum + one, own_s + ended_s);
}

/** What a process has taken of the processors, in seconds; NaN where the system doesn't tell. */
export async function cpuTime(pid: number): Promise<number> {
  return (await readTimes(pid)).own_s;
}

/** Of a process, and of its children that have ended and been waited for, with theirs. */
async function readTimes(
  pid: number,
): Promise<{ readonly own_s: number; readonly ended_s: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // A program's name may have spaces and brackets; times of user and system are the 12th to 15th behind it.
  const [user = NaN, system = NaN, endedUser = NaN, endedSystem = NaN] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .map(Number);
  return { own_s: (user + system) * tick_s, ended_s: (endedUser + endedSystem) * tick_s };
}
