import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { recordDeed } from "../store/audit.ts";
import {
  createSession,
  findSession,
  revokeOtherSessions,
  type Session,
} from "../store/sessions.ts";
import { createUser, findUserByEmail, holdPassword, updateUser } from "../store/users.ts";
import { sessionOver } from "./authenticate.ts";
import type { FailureLog } from "./failure-log.ts";
import { findOrCreateUser, type Found, type Identity } from "./identities.ts";
import { checkPassword, hashPassword } from "./passwords.ts";
import type { LoginThrottle } from "./throttle.ts";

const wrongLogin = defineError(
  "unauthenticated",
  "wrong_login",
  "The e-mail address or the password is wrong",
);
const wrongPassword = defineError(
  "forbidden",
  "wrong_password",
  "current_password is not your password",
);

/** When someone comes, and from where. */
export interface Visit {
  /** Unix seconds. */
  readonly now: number;
  readonly address: string;
}

/** A session that has just begun, and its first refresh token. */
export interface Begun {
  readonly session: Session;
  readonly token: string;
}

interface LoginDeps {
  readonly db: Db;
  readonly throttle: LoginThrottle;
  readonly failureLog: FailureLog;
}

/** Makes an account with a password, and logs in. @throws KnownError: 409 when the address has an account */
export async function register(
  db: Db,
  { password, ...person }: { email: string; password: string; firstName: string; lastName: string },
  visit: Visit,
): Promise<Begun> {
  const passwordHash = await hashPassword(password);
  return await db.transaction().execute(async (transaction) => {
    const { id } = await createUser(transaction, { ...person, passwordHash });
    return await begin(transaction, id, "register", visit);
  });
}

/**
 * Logs in with a password. An unknown address and a wrong password fail alike, after the same time.
 *
 * @throws KnownError: 401 when they don't fit, 429 after too many failures
 */
export async function logIn(
  { db, throttle, failureLog }: LoginDeps,
  { email, password }: { readonly email: string; readonly password: string },
  visit: Visit,
): Promise<Begun> {
  const found = await findUserByEmail(db, email);
  const attempt = { account: found?.id ?? email.trim(), address: visit.address };
  const failures = await throttle.attempt(attempt, visit.now, () =>
    checkPassword(password, found?.password_hash),
  );
  if (failures > 0 || !found) {
    await failureLog.note(found?.id, failures, visit);
    throw wrongLogin();
  }
  return await db.transaction().execute(async (transaction) => {
    if ((await holdPassword(transaction, found.id)) !== found.password_hash) throw wrongLogin();
    return await begin(transaction, found.id, "log_in", visit);
  });
}

/** Logs in as whom an identity provider has identified. @see findOrCreateUser */
export async function logInAs(
  db: Db,
  identity: Identity,
  { registrationOpen, ...visit }: Visit & { readonly registrationOpen: boolean },
): Promise<Begun> {
  return await db.transaction().execute(async (transaction) => {
    const settings = { registrationOpen, now: visit.now };
    const { user, how } = await findOrCreateUser(transaction, identity, settings);
    return await begin(transaction, user.id, how, visit, { issuer: identity.issuer });
  });
}

/**
 * Changes the password of a session's user, and ends all their other sessions. Who has none yet sets one.
 *
 * @throws KnownError when the current one is wrong (403), or the new one won't do (400)
 */
export async function changePassword(
  { db, throttle, failureLog }: LoginDeps,
  { userId, id }: Session,
  { current, next }: { readonly current: string; readonly next: string },
  visit: Visit,
): Promise<void> {
  const expected = await holdPassword(db, userId);
  if (expected !== null) {
    const attempt = { account: userId, address: visit.address };
    const failures = await throttle.attempt(attempt, visit.now, () =>
      checkPassword(current, expected),
    );
    if (failures > 0) {
      await failureLog.note(userId, failures, visit);
      throw wrongPassword();
    }
  }
  const password_hash = await hashPassword(next);
  await db.transaction().execute(async (transaction) => {
    // While the hash was computed, another change may have ended this session.
    const unchanged = (await holdPassword(transaction, userId)) === expected;
    if (!unchanged || !(await findSession(transaction, id))) throw wrongPassword();
    await updateUser(transaction, userId, { password_hash });
    await revokeOtherSessions(transaction, userId, id, visit.now);
    await note(transaction, userId, "change_password", visit);
  });
}

/**
 * Makes sure that a session goes on, and that nothing ends it until the transaction does, nor what is made meanwhile escapes
 * who ends it.
 *
 * @throws KnownError (401) when it is over
 */
export async function holdSession(
  transaction: Db,
  sessionId: string,
  userId: string,
): Promise<void> {
  await holdPassword(transaction, userId);
  if (!(await findSession(transaction, sessionId))) throw sessionOver();
}

/** Begins a session in a transaction of the caller's, and notes how it came to be. */
async function begin(
  db: Db,
  userId: string,
  how: Found["how"],
  visit: Visit,
  details: object = {},
): Promise<Begun> {
  await note(db, userId, how, visit, details);
  return await createSession(db, userId, visit.now);
}

async function note(
  db: Db,
  userId: string,
  action: string,
  { now, address }: Visit,
  details: object = {},
): Promise<void> {
  await recordDeed(db, {
    at: now,
    actor: { name: "user", userId, address },
    action,
    objectType: "user",
    objectId: userId,
    details,
  });
}
