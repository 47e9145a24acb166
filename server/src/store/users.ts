import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import type { Reader } from "./visibility.ts";

/** Someone with an account, as they may see themselves. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly first_name: string;
  readonly last_name: string;
  readonly admin: boolean;
  readonly created_at: Date;
}

interface NewUser {
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  /** Undefined for those who log in through an identity provider only. */
  readonly passwordHash?: string | undefined;
  /** Whether somebody vouches that the address is theirs: an identity provider, or the operator. */
  readonly emailVerified?: boolean;
}

/** What a login needs to know of an account, and nobody is shown. */
export interface Credentials {
  readonly password_hash: string | null;
  readonly email_verified: boolean;
}

const userNotFound = defineError("not_found", "user_not_found", "User not found");
const emailNotFound = defineError(
  "not_found",
  "user_not_found",
  "User with email {email} not found",
);
const emailTaken = defineError(
  "conflict",
  "email_taken",
  "There is an account with the e-mail address {email}",
);

const columns = ["id", "email", "first_name", "last_name", "admin", "created_at"] as const;

/** @throws KnownError when the address is taken, in whatever letter case */
export async function createUser(
  db: Db,
  { email, firstName, lastName, passwordHash, emailVerified = false }: NewUser,
): Promise<User> {
  const created = await db
    .insertInto("account")
    .values({
      email: email.trim(),
      first_name: firstName.trim(),
      last_name: lastName.trim(),
      password_hash: passwordHash ?? null,
      email_verified: emailVerified,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw emailTaken({ email: email.trim() });
  return created;
}

/** @throws KnownError when there is none */
export async function getUser(db: Db, id: string): Promise<User> {
  const user = await db
    .selectFrom("account")
    .select(columns)
    .where("id", "=", id)
    .executeTakeFirst();
  if (!user) throw userNotFound();
  return user;
}

/**
 * The users with these numbers, as far as the reader may be told of them: both have a role on one cell. Admins are
 * told of all. Others don't exist, as far as the reader is told.
 *
 * @throws KnownError when one of them doesn't
 */
export async function getKnownUsers(
  db: Db,
  { userId, admin }: Reader,
  ids: readonly string[],
): Promise<User[]> {
  const wanted = new Set(ids.map((id) => id.toLowerCase()));
  const users = await db
    .selectFrom("account")
    .select(columns)
    .where(sql<boolean>`id = any (${[...wanted]}::uuid[])`)
    .where(
      sql<boolean>`(${admin} or id in (
        with member (cell_id, account_id) as (
          select id, user_id from cell union all select cell_id, account_id from cell_member
        )
        select theirs.account_id from member as mine join member as theirs using (cell_id)
        where mine.account_id = ${userId ?? null}::uuid))`,
    )
    .execute();
  if (users.length < wanted.size) throw userNotFound();
  return users;
}

/** The user with an e-mail address, in whatever letter case. @throws KnownError when there is none */
export async function getUserByEmail(db: Db, email: string): Promise<User> {
  const user = await findUserByEmail(db, email);
  if (!user) throw emailNotFound({ email: email.trim() });
  return user;
}

/** The user with an e-mail address, in whatever letter case, and what they log in with; undefined when there is none. */
export async function findUserByEmail(
  db: Db,
  email: string,
): Promise<(User & Credentials) | undefined> {
  return await db
    .selectFrom("account")
    .select([...columns, "password_hash", "email_verified"])
    .where(sql<boolean>`lower(email) = lower(${email.trim()})`)
    .executeTakeFirst();
}

/**
 * A user's password hash as it stays until the transaction ends: null without a password, undefined without such
 * a user. What is begun with a password in this transaction can't outlast a change of it in another.
 */
export async function holdPassword(db: Db, id: string): Promise<string | null | undefined> {
  const held = await db
    .selectFrom("account")
    .select("password_hash")
    .where("id", "=", id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return held?.password_hash;
}

/** All users by e-mail address. */
export async function listUsers(db: Db): Promise<User[]> {
  return await db.selectFrom("account").select(columns).orderBy("email").execute();
}

/** @throws KnownError when there is no such user */
export async function updateUser(
  db: Db,
  id: string,
  changes: {
    readonly first_name?: string | undefined;
    readonly last_name?: string | undefined;
    readonly password_hash?: string | null;
    readonly email_verified?: boolean;
    readonly admin?: boolean;
  },
): Promise<User> {
  if (Object.values(changes).every((value) => value === undefined)) return await getUser(db, id);
  const user = await db
    .updateTable("account")
    .set(changes)
    .where("id", "=", id)
    .returning(columns)
    .executeTakeFirst();
  if (!user) throw userNotFound();
  return user;
}

/** The user that an identity provider knows by this subject, if they have logged in before. */
export async function findUserByIdentity(
  db: Db,
  issuer: string,
  subject: string,
): Promise<User | undefined> {
  return await db
    .selectFrom("identity")
    .innerJoin("account", "account.id", "identity.account_id")
    .select(["id", "email", "first_name", "last_name", "admin", "created_at"])
    .where("issuer", "=", issuer)
    .where("subject", "=", subject)
    .executeTakeFirst();
}

/** Remembers that an identity provider's subject is this user. */
export async function linkIdentity(
  db: Db,
  issuer: string,
  subject: string,
  userId: string,
): Promise<void> {
  await db
    .insertInto("identity")
    .values({ issuer, subject, account_id: userId })
    .onConflict((c) => c.doNothing())
    .execute();
}

/** Forgets every identity that logs in as this user. */
export async function unlinkIdentities(db: Db, userId: string): Promise<void> {
  await db.deleteFrom("identity").where("account_id", "=", userId).execute();
}
