import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { waitUntil } from "./wait-until.ts";

/** Whether this machine has a Redis to try things on. */
export const hasRedis = !spawnSync("redis-server", ["--version"]).error;

/** A Redis of a test's own, which may be stopped, and started again at the same place without what it held. */
export class TestRedis {
  readonly #directory: string;
  readonly #port: number;
  #server: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.#port = port;
  }

  static async start(...settings: string[]): Promise<TestRedis> {
    const directory = await mkdtemp(join(tmpdir(), "ents-redis-"));
    const redis = new TestRedis(directory, await freePort());
    await redis.start(...settings);
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  async start(...settings: string[]): Promise<void> {
    const options = ["--port", this.#port, "--bind", "127.0.0.1", "--dir", this.#directory];
    const arguments_ = [...options, "--save", "", "--appendonly", "no", ...settings].map(String);
    this.#server = spawn("redis-server", arguments_, { stdio: "ignore" });
    await waitUntil(async () => await this.#answers());
  }

  async stop(): Promise<void> {
    if (this.#server?.exitCode !== null || this.#server.signalCode !== null) return;
    const gone = once(this.#server, "exit");
    this.#server.kill("SIGKILL");
    await gone;
  }

  /** Empties it. */
  async flush(): Promise<void> {
    await this.#send("FLUSHALL");
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return await this.#send("PING").then(
      (answer) => answer.startsWith("+PONG"),
      () => false,
    );
  }

  async #send(command: string): Promise<string> {
    const socket = connect(this.#port, "127.0.0.1");
    try {
      await once(socket, "connect");
      socket.write(`${command}\r\n`);
      const [answer] = (await once(socket, "data")) as [Buffer];
      return answer.toString();
    } finally {
      socket.destroy();
    }
  }
}
