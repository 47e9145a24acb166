import { Socket } from "node:net";
import { Pool } from "pg";
import { deadline } from "../lib/deadline.ts";

/** Whoever asks gets an answer within that time. */
const patience_ms = 500;

/**
 * Finds out whether a database answers, however many ask and however dead it is: one question is open at a time, over a
 * connection of its own, which is cut when the answer doesn't come soon.
 */
export class DatabaseProbe {
  readonly #url: () => string;
  #pool: Pool | undefined;
  #socket: Socket | undefined;
  #open: Promise<boolean> | undefined;

  /** @param url postgres://…; fails while there is none */
  constructor(url: () => string) {
    this.#url = url;
  }

  /** @returns false also when the answer doesn't come soon */
  async isUp(): Promise<boolean> {
    this.#open ??= this.#ask().finally(() => (this.#open = undefined));
    return await this.#open;
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    await this.#pool?.end();
  }

  async #ask(): Promise<boolean> {
    try {
      this.#pool ??= this.#openPool();
      await deadline(patience_ms, this.#pool.query("select 1"));
      return true;
    } catch {
      // The pool forgets a connection that breaks, and makes another one for the next question.
      this.#socket?.destroy();
      return false;
    }
  }

  #openPool(): Pool {
    const pool = new Pool({
      connectionString: this.#url(),
      application_name: "ents-backend (probe)",
      max: 1,
      connectionTimeoutMillis: patience_ms,
      stream: () => (this.#socket = new Socket()),
    });
    return pool.on("error", () => undefined);
  }
}
