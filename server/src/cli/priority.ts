import { readdir } from "node:fs/promises";
import { setPriority } from "node:os";

/** Of a worker beside an API: where both want the processor, uploads come first. */
const niceness = 10;

/**
 * Lets other processes have the processor first, from now on. On Linux the priority is each thread's own (setpriority(2),
 * "C library/kernel differences"), and those that collect and compile are there already: all of them are told.
 */
export async function giveWayToOthers(): Promise<void> {
  const threads = await readdir("/proc/self/task").catch(() => [String(process.pid)]);
  for (const thread of threads) setPriority(Number(thread), niceness);
}
