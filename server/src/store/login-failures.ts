import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { networkOf } from "../lib/network.ts";

/** Who fails: an account, or an address, from which many people may log in. */
export interface Subject {
  readonly kind: "account" | "address";
  readonly name: string;
}

/** After so many failures in a row, each further one doubles the wait. */
const forgiven: Readonly<Record<Subject["kind"], number>> = { account: 5, address: 20 };
const firstWait_s = 15;
const longestWait_s = 15 * 60;
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

/** Forgets the failures of an account that has logged in. */
export async function clearLoginFailures(db: Db, subject: Subject): Promise<void> {
  await db.deleteFrom("login_failure").where("subject", "=", digest(subject)).execute();
}

async function forgetBefore(db: Db, since: Date): Promise<void> {
  await sql`
    delete from login_failure where subject in (
      select subject from login_failure where last_at < ${since} for update skip locked)`.execute(
    db,
  );
}

function waitAfter(failures: number, kind: Subject["kind"]): number {
  const excess = failures - forgiven[kind];
  return excess < 0 ? 0 : Math.min(longestWait_s, firstWait_s * 2 ** excess);
}

/** Addresses of people and machines are not kept as they are. */
function digest({ kind, name }: Subject): string {
  const subject = `${kind} ${kind === "address" ? networkOf(name) : name.toLowerCase()}`;
  return createHash("sha256").update(subject).digest("base64url");
}
