import { readFile } from "node:fs/promises";

/** Of a tick, in seconds: what Linux counts in, whatever its kernel's clock does. */
const tick_s = 0.01;

/** What a process and those that it has begun have taken of the processors, in seconds, while they all live. */
export async function cpuTimeOfAll(pid: number): Promise<number> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const children = list.split(" ").filter(Boolean).map(Number);
  const times = await Promise.all([cpuTime(pid), ...children.map(cpuTimeOfAll)]);
  return times.reduce((sum, one) => sum + one, 0);
}

/** What a process has taken of the processors, in seconds; NaN where the system doesn't tell. */
export async function cpuTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // A program's name may have spaces and brackets; the times of user and system are the 12th and 13th behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? NaN) + Number(fields[12] ?? NaN)) * tick_s;
}
