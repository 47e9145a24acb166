import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { readLockFile } from "../../src/db/postmaster.ts";
import { untilReady } from "../support/ready.ts";

const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
const execute = promisify(execFile);

type Settings = Readonly<Record<string, string>>;

/** The product as it is started on a machine, which may be killed and started again. */
export class Product {
  readonly directory: string;
  readonly #externalUrl: string | undefined;
  #server: ChildProcess | undefined;
  /** http://host:port of the latest start, without a slash at its end. */
  url = "";
  /** What the latest start has printed. */
  output = "";
  /** What it has said on standard error. */
  complaint = "";

  readonly #settings: Settings;

  private constructor(directory: string, databaseUrl: string | undefined, settings: Settings) {
    this.directory = directory;
    this.#externalUrl = databaseUrl;
    this.#settings = settings;
  }

  /**
   * @param databaseUrl undefined: an embedded database of its own
   * @param settings where they are to differ; one process serves otherwise
   */
  static async create(databaseUrl?: string, settings: Settings = {}): Promise<Product> {
    return new Product(await mkdtemp(join(tmpdir(), "ents-chaos-")), databaseUrl, settings);
  }

  /** Another one with the same data, on the same port or on one of its own. */
  beside(settings: Settings): Product {
    return new Product(this.directory, this.#externalUrl, { ...this.#settings, ...settings });
  }

  get pid(): number {
    return this.#server!.pid!;
  }

  get isAlive(): boolean {
    return this.#server?.exitCode === null && this.#server.signalCode === null;
  }

  /** Starts the server; answers how long it took until it listened and had its database, in ms. */
  async start(): Promise<number> {
    const began = performance.now();
    await this.launch();
    await untilReady(this.url);
    return performance.now() - began;
  }

  /** Starts the server; answers when it listens, be its database there or not. */
  async launch(): Promise<void> {
    const server = spawn(process.execPath, [program, "start"], {
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#server = server;
    this.output = "";
    this.complaint = "";
    server.stderr.setEncoding("utf8").on("data", (text: string) => (this.complaint += text));
    server.stdout.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    const listening = /listens on http:\/\/localhost:(\d+)/;
    while (!listening.test(this.output)) {
      await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
      if (!this.isAlive) throw new Error(`the server didn't start: ${this.complaint}`);
    }
    this.url = `http://127.0.0.1:${listening.exec(this.output)![1]}`;
  }

  /** Asks the server to stop; answers its exit code. */
  async stop(): Promise<number | null> {
    const ended = once(this.#server!, "exit");
    this.#server!.kill("SIGTERM");
    const [code] = (await ended) as [number | null];
    return code;
  }

  /** Ends the server without a word. */
  async kill(): Promise<void> {
    const server = this.#server!;
    const gone = this.isAlive ? once(server, "exit") : undefined;
    server.kill("SIGKILL");
    await gone;
  }

  /** Ends PostgreSQL's first process without a word; the others notice by themselves. */
  async killDatabase(): Promise<void> {
    process.kill(await this.#postmaster(), "SIGKILL");
  }

  /** Sends a signal to all of PostgreSQL's processes. */
  async signalDatabase(signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
    const postmaster = await this.#postmaster();
    const { stdout } = await execute("ps", ["-A", "-o", "pid=,ppid="]);
    const processes = stdout
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
    const children = processes.filter(([, parent]) => parent === postmaster).map(([pid]) => pid!);
    process.kill(postmaster, signal);
    for (const pid of children) killIfThere(pid, signal);
  }

  /** The processes that serve, where they are several. */
  async processes(): Promise<number[]> {
    const { stdout } = await execute("ps", ["-A", "-o", "pid=,ppid=,args="]);
    return stdout
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, parent, ...args]) => Number(parent) === this.pid && args.includes("serve"))
      .map(([pid]) => Number(pid));
  }

  /** Runs another command beside the server, and answers what it prints. */
  async run(...args: string[]): Promise<string> {
    return (await execute(process.execPath, [program, ...args], { env: this.#environment() }))
      .stdout;
  }

  /** Looks into the database, past the product. */
  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: await this.databaseUrl() });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  async databaseUrl(): Promise<string> {
    if (this.#externalUrl !== undefined) return this.#externalUrl;
    const password = await readFile(join(this.directory, "postgres.password"), "utf8");
    const lock = await readLockFile(join(this.directory, "postgres"));
    return `postgres://ents:${password.trim()}@127.0.0.1:${lock!.port}/ents`;
  }

  /** Makes cells that take uploads from everyone; answers their numbers. */
  async createCells(count: number): Promise<number[]> {
    const rows = await this.query<{ id: number }>(
      `insert into cell (name, upload_policy)
       select 'chaos ' || gen_random_uuid(), 'open' from generate_series(1, $1) returning id`,
      [count],
    );
    return rows.map(({ id }) => id);
  }

  /** Stops all of it, and throws its files away. */
  async discard(): Promise<void> {
    // A database whose server was killed for good is stopped by a start of its own.
    if (!this.isAlive) await this.start().catch(() => undefined);
    if (this.isAlive) await this.stop();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  async #postmaster(): Promise<number> {
    const lock = await readLockFile(join(this.directory, "postgres"));
    return lock!.pid;
  }

  #environment(): NodeJS.ProcessEnv {
    const { DATABASE_URL: _, ...env } = process.env;
    const external = this.#externalUrl && { DATABASE_URL: this.#externalUrl };
    // All of it is of one address.
    const usual = { PORT: "0", LOG_LEVEL: "silent", RATE_LIMIT: "off", WEB_CONCURRENCY: "1" };
    return { ...env, ...external, ...usual, ...this.#settings, DATA_DIR: this.directory };
  }
}

/** A session's process may end at any time. */
function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
