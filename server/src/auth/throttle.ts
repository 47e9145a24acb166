import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { networkOf } from "../lib/network.ts";
import { Turns } from "../lib/turns.ts";
import {
  clearLoginFailures,
  loginWait,
  recordLoginFailure,
  type Subject,
} from "../store/login-failures.ts";

const tooManyFailures = defineError(
  "too_many_requests",
  "too_many_failures",
  "Too many failed logins: try again in {wait} s",
);

/** Whom an attempt to log in is counted against. */
interface Attempt {
  /** The account's id, or the e-mail address where there is no account. */
  readonly account: string;
  /** Where the caller is. */
  readonly address: string;
}

/**
 * Slows down the guessing of passwords: of one account from one network, from one network, of one account from
 * everywhere. Attempts at once take turns, so that they can't outrun the count.
 */
export class LoginThrottle {
  readonly #db: Db;
  readonly #turns = new Turns();

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Makes an attempt, or refuses to; a failed one is counted.
   *
   * @param now Unix seconds
   * @param succeeds whether the password was right
   * @returns how often in a row it has failed for the account: 0 when it succeeded
   * @throws KnownError (429) after too many failures
   */
  async attempt(
    { account, address }: Attempt,
    now: number,
    succeeds: () => Promise<boolean>,
  ): Promise<number> {
    const [name, network] = [account.toLowerCase(), networkOf(address)];
    const whose: Subject = { kind: "account", name };
    const login: Subject = { kind: "login", name: `${name} ${network}` };
    const subjects: readonly Subject[] = [whose, login, { kind: "address", name: network }];
    // Always in this order, so that nobody waits in a circle.
    return await this.#turns.take(`address ${network}`, () =>
      this.#turns.take(`account ${name}`, async () => {
        await this.#refuse(subjects, now);
        if (!(await succeeds())) return await recordLoginFailure(this.#db, subjects, now);
        await clearLoginFailures(this.#db, [whose, login]);
        return 0;
      }),
    );
  }

  async #refuse(subjects: readonly Subject[], now: number): Promise<void> {
    const wait = await loginWait(this.#db, subjects, now);
    if (wait > 0) throw Object.assign(tooManyFailures({ wait }), { retryAfter_s: wait });
  }
}
