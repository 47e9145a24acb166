import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How much memory a process has at this moment, in MB; NaN where the system doesn't tell. */
export async function residentSize(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? NaN) / 1024;
}

/** The most that a process has while something runs, in MB. */
export async function peakResidentSize(pid: number, run: () => Promise<unknown>): Promise<number> {
  const over = new AbortController();
  const watched = watch(pid, over.signal);
  try {
    await run();
  } finally {
    over.abort();
  }
  return await watched;
}

async function watch(pid: number, over: AbortSignal): Promise<number> {
  let peak = await residentSize(pid);
  while (!over.aborted) {
    await sleep(5);
    // A process that has just ended has none.
    const size = await residentSize(pid);
    if (size > peak) peak = size;
  }
  return peak;
}
