import type { Db } from "../db/connect.ts";
import { hour_s } from "../lib/duration.ts";
import { recordDeed } from "../store/audit.ts";
import type { Visit } from "./accounts.ts";

const mostAnHour = 1000;

/**
 * Failed logins in the audit log. Of those in a row the 1st, 2nd, 4th, 8th … are noted, and in all only so many an hour:
 * who guesses passwords doesn't fill the disk with it.
 */
export class FailureLog {
  readonly #db: Db;
  #hour = 0;
  #noted = 0;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Notes a login that failed. One for an account that there isn't is noted alike, and takes as long; without the e-mail
   * address: people type their password there by mistake.
   *
   * @param failures how many there were in a row, with this one
   */
  async note(userId: string | undefined, failures: number, { now, address }: Visit): Promise<void> {
    if (!Number.isInteger(Math.log2(failures)) || !this.#hasRoom(now)) return;
    await recordDeed(this.#db, {
      at: now,
      actor: { name: "nobody", userId: undefined, address },
      action: "fail_to_log_in",
      objectType: "user",
      objectId: userId ?? "unknown",
      details: { failures },
    });
  }

  #hasRoom(now: number): boolean {
    const hour = Math.floor(now / hour_s);
    if (hour !== this.#hour) this.#noted = 0;
    this.#hour = hour;
    this.#noted += 1;
    return this.#noted <= mostAnHour;
  }
}
