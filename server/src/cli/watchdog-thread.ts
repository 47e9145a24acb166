// Watches over the event loop of the thread that began this one.

import { workerData } from "node:worker_threads";
import type { Watched } from "./watchdog.ts";

const { beats, longest_ms } = workerData as Watched;
const look_ms = longest_ms / 20;
let seen = -1;
let beat_at_ms = performance.now();

setInterval(() => {
  const now_ms = performance.now();
  const count = Atomics.load(beats, 0);
  if (count !== seen) [seen, beat_at_ms] = [count, now_ms];
  else if (now_ms - beat_at_ms > longest_ms) process.kill(process.pid, "SIGKILL");
}, look_ms);
