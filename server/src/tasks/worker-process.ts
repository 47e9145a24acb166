import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deadline } from "../lib/deadline.ts";
import type { Log } from "../lib/log.ts";

const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const shortestPause_ms = 1000;
const longestPause_ms = 30_000;
/** One that has lived that long has begun well. */
const begun_ms = 60_000;
const longestStop_ms = 15_000;

/**
 * A worker in a process of its own, `ents-backend work`: what a task takes of memory and processor is apart from what
 * uploads need. When it dies another one begins.
 */
export class WorkerProcess {
  readonly #log: Log;
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #keeping: Promise<void> | undefined;

  /** @param env its environment; undefined: this process's own */
  constructor(log: Log, env?: NodeJS.ProcessEnv) {
    this.#log = log;
    this.#env = env;
  }

  start(): void {
    this.#keeping = this.#keep();
  }

  /** Has it give back what it works at; waits for its end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill("SIGTERM");
    const ended = this.#keeping ?? Promise.resolve();
    await deadline(longestStop_ms, ended).catch(() => this.#child?.kill("SIGKILL"));
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    for (let pause_ms = shortestPause_ms; !signal.aborted;) {
      const began = performance.now();
      const end = await this.#runOnce().catch((err: unknown) => ({ err }));
      if (signal.aborted) return;
      if (performance.now() - began > begun_ms) pause_ms = shortestPause_ms;
      this.#log.warn({ ...end, pause_ms }, "the worker process ended: another one begins");
      await sleep(pause_ms, undefined, { signal }).catch(() => {});
      pause_ms = Math.min(2 * pause_ms, longestPause_ms);
    }
  }

  async #runOnce(): Promise<object> {
    // It has a channel so that it hears when this process is killed.
    const child = fork(program, ["work"], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      ...(this.#env && { env: this.#env }),
    });
    this.#child = child;
    const [code, killedBy] = (await once(child, "exit")) as [number | null, string | null];
    return { worker: child.pid, code, killedBy };
  }
}
