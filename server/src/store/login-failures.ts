import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** What fails: an account as one network tries it, a network, from which many people may log in, or an account. */
export interface Subject {
  readonly kind: "login" | "address" | "account";
  /** In one spelling. */
  readonly name: string;
}

interface Patience {
  /** After so many failures in a row, each further one doubles the wait. */
  readonly forgiven: number;
  readonly longestWait_s: number;
}

/** An account as a whole waits late and never long: else anyone could keep its owner out by guessing now and then. */
const patience: Readonly<Record<Subject["kind"], Patience>> = {
  login: { forgiven: 5, longestWait_s: 15 * 60 },
  address: { forgiven: 20, longestWait_s: 15 * 60 },
  account: { forgiven: 100, longestWait_s: 60 },
};
const firstWait_s = 15;
/** Failures this long ago are forgotten. */
const forgotten_s = 60 * 60;

/**
 * How long a login must wait, for any of its subjects that has failed too often.
 *
 * @param now Unix seconds
 * @returns seconds, 0 when it may go on
 */
export async function loginWait(
  db: Db,
  subjects: readonly Subject[],
  now: number,
): Promise<number> {
  const kinds = new Map(subjects.map((subject) => [digest(subject), subject.kind]));
  const rows = await db
    .selectFrom("login_failure")
    .select(["subject", "failures", "last_at"])
    .where("subject", "in", [...kinds.keys()])
    .execute();
  const waits = rows.map(
    ({ subject, failures, last_at }) =>
      last_at.getTime() / 1000 + waitAfter(failures, kinds.get(subject)!) - now,
  );
  return Math.max(0, ...waits.map(Math.ceil));
}

/**
 * Counts a failed login of each subject, and forgets those of long ago.
 *
 * @param now Unix seconds
 * @returns how many the first of them has had in a row
 */
export async function recordLoginFailure(
  db: Db,
  subjects: readonly Subject[],
  now: number,
): Promise<number> {
  const at = new Date(now * 1000);
  await forgetBefore(db, new Date((now - forgotten_s) * 1000));
  const rows = await db
    .insertInto("login_failure")
    .values(
      subjects
        .map(digest)
        .sort()
        .map((subject) => ({ subject, failures: 1, last_at: at })),
    )
    .onConflict((conflict) =>
      conflict.column("subject").doUpdateSet({
        failures: sql`login_failure.failures + 1`,
        last_at: at,
      }),
    )
    .returning(["subject", "failures"])
    .execute();
  const first = digest(subjects[0]!);
  return rows.find(({ subject }) => subject === first)!.failures;
}

/** Forgets the failures of what has logged in. */
export async function clearLoginFailures(db: Db, subjects: readonly Subject[]): Promise<void> {
  await db.deleteFrom("login_failure").where("subject", "in", subjects.map(digest)).execute();
}

async function forgetBefore(db: Db, since: Date): Promise<void> {
  await sql`
    delete from login_failure where subject in (
      select subject from login_failure where last_at < ${since} for update skip locked)`.execute(
    db,
  );
}

function waitAfter(failures: number, kind: Subject["kind"]): number {
  const { forgiven, longestWait_s } = patience[kind];
  const excess = failures - forgiven;
  return excess < 0 ? 0 : Math.min(longestWait_s, firstWait_s * 2 ** excess);
}

/** Addresses of people and machines are not kept as they are. */
function digest({ kind, name }: Subject): string {
  return createHash("sha256").update(`${kind} ${name}`).digest("base64url");
}
