import { sql } from "kysely";
import { deadline } from "../lib/deadline.ts";
import type { Db } from "./connect.ts";

/** Whoever asks gets an answer within that time. */
const patience_ms = 500;
/** A question that is open for longer is believed to be lost, with the connection that it went over. */
const lost_ms = 10_000;

/** Finds out whether a database answers, however many ask and however dead it is: one question is open at a time. */
export class DatabaseProbe {
  readonly #db: Db;
  #open: Promise<boolean> | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  /** @returns false also when the answer doesn't come soon */
  async isUp(): Promise<boolean> {
    this.#open ??= inTime(lost_ms, ask(this.#db)).finally(() => (this.#open = undefined));
    return await inTime(patience_ms, this.#open);
  }
}

async function ask(db: Db): Promise<boolean> {
  return await sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
}

/** What a promise says, or false when it doesn't say it in time. */
async function inTime(limit_ms: number, said: Promise<boolean>): Promise<boolean> {
  return await deadline(limit_ms, said).catch(() => false);
}
