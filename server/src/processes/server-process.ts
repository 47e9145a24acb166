import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { deadline } from "../lib/deadline.ts";
import { isTold, type Asked, type Told } from "./messages.ts";

const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
/** Where a process that is begun finds the bound port. */
export const portFd = 4;
const longestStop_ms = 20_000;

/** How a process came to its end. */
interface End {
  readonly pid: number | undefined;
  readonly code: number | null;
  readonly killedBy: string | null;
}

export interface Beginning {
  /** File descriptor of the bound port. */
  readonly fd: number;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  readonly onTold: (process: ServerProcess, told: Told) => void;
}

/** One process that serves once it is asked to, and loads its program until then: `ents-backend serve`. */
export class ServerProcess {
  /** Fulfilled once it accepts connections: with false when it ended before. */
  readonly serving: Promise<boolean>;
  /** Fulfilled when it is gone; never rejected. */
  readonly ended: Promise<End>;
  readonly #child: ChildProcess;
  readonly #measured: (() => void)[] = [];
  isLeaving = false;

  constructor({ fd, port, env, onTold }: Beginning) {
    const args = [...process.execArgv, program, "serve", String(port)];
    const stdio = ["ignore", "inherit", "inherit", "ipc", fd] as const;
    this.#child = spawn(process.execPath, args, { env, stdio: [...stdio] });
    const serving = Promise.withResolvers<boolean>();
    const ended = Promise.withResolvers<End>();
    this.serving = serving.promise;
    this.ended = ended.promise;
    this.#child.on("message", (message) => {
      if (!isTold(message)) return;
      if (message.is === "serving") serving.resolve(true);
      onTold(this, message);
      if (message.is === "measured") for (const resolve of this.#measured.splice(0)) resolve();
    });
    const end = (code: number | null, killedBy: string | null): void => {
      serving.resolve(false);
      ended.resolve({ pid: this.#child.pid, code, killedBy });
    };
    this.#child.on("error", () => end(null, null));
    this.#child.on("exit", (code, killedBy) => {
      // What it has told before may still be on its way.
      if (!this.#child.connected) end(code, killedBy);
      else this.#child.once("disconnect", () => end(code, killedBy));
    });
  }

  ask(asked: Asked): void {
    // One that is gone by now is told of by its end.
    if (this.#child.connected) this.#child.send(asked, () => {});
  }

  /** Has it tell what it counts; waits for that. */
  async measure(): Promise<void> {
    const told = new Promise<void>((resolve) => this.#measured.push(resolve));
    this.ask({ is: "measure" });
    await Promise.race([told, this.ended]);
  }

  /** Has it answer what is under way, and end; waits for that. */
  async stop(signal: "SIGINT" | "SIGTERM" = "SIGTERM"): Promise<void> {
    this.isLeaving = true;
    this.#child.kill(signal);
    await deadline(longestStop_ms, this.ended).catch(() => this.#child.kill("SIGKILL"));
    await this.ended;
  }
}
