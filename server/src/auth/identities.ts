import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { deleteApiKeysOf } from "../store/api-keys.ts";
import { revokeOtherSessions } from "../store/sessions.ts";
import {
  createUser,
  findUserByEmail,
  findUserByIdentity,
  linkIdentity,
  unlinkIdentities,
  updateUser,
  type Credentials,
  type User,
} from "../store/users.ts";

const emailNotVerified = defineError(
  "forbidden",
  "email_not_verified",
  "There is an account with this e-mail address, and the identity provider has not verified that it is yours",
);
const emailMissing = defineError(
  "invalid",
  "email_missing",
  "The identity provider tells no e-mail address",
);
export const registrationClosed = defineError(
  "forbidden",
  "registration_closed",
  "New accounts are made by an admin here",
);

/** Who someone is, as an issuer tells it. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean;
  readonly firstName: string;
  readonly lastName: string;
}

/** The account of an identity, and how it came to it. */
export interface Found {
  readonly user: User;
  readonly how: "log_in" | "register" | "join";
}

/**
 * The account of an identity, in a transaction of the caller's: the one it has logged in to before; or the one
 * with its e-mail address, where the issuer has verified that; or a new one.
 *
 * An account whose address was never proved may have been made by a stranger who squats it. When its true owner
 * comes, it becomes theirs alone: its sessions end, its API keys, its other identities and its password go. Its
 * cells and loggers stay, and the upload keys of nodes in the field go on.
 *
 * @param now Unix seconds
 * @throws KnownError when the address is somebody's and not verified, or registration is closed
 */
export async function findOrCreateUser(
  db: Db,
  identity: Identity,
  { registrationOpen, now }: { readonly registrationOpen: boolean; readonly now: number },
): Promise<Found> {
  const known = await findUserByIdentity(db, identity.issuer, identity.subject);
  if (known) return { user: await noteVerified(db, known, identity), how: "log_in" };
  const { email } = identity;
  if (email === undefined) throw emailMissing();
  const namesake = await findUserByEmail(db, email);
  if (namesake) return { user: await join(db, namesake, identity, now), how: "join" };
  if (!registrationOpen) throw registrationClosed();
  return { user: await register(db, { ...identity, email }), how: "register" };
}

/** Who proves an address later owns it from then on. */
async function noteVerified(db: Db, user: User, { email, emailVerified }: Identity): Promise<User> {
  const proved = emailVerified && email?.trim().toLowerCase() === user.email.toLowerCase();
  return proved ? await updateUser(db, user.id, { email_verified: true }) : user;
}

async function join(
  db: Db,
  user: User & Credentials,
  { issuer, subject, emailVerified }: Identity,
  now: number,
): Promise<User> {
  if (!emailVerified) throw emailNotVerified();
  if (!user.email_verified) {
    await updateUser(db, user.id, { email_verified: true, password_hash: null });
    await revokeOtherSessions(db, user.id, undefined, now);
    await deleteApiKeysOf(db, user.id);
    await unlinkIdentities(db, user.id);
  }
  await linkIdentity(db, issuer, subject, user.id);
  const { password_hash: _, email_verified: __, ...joined } = user;
  return joined;
}

async function register(db: Db, identity: Identity & { readonly email: string }): Promise<User> {
  const user = await createUser(db, identity);
  await linkIdentity(db, identity.issuer, identity.subject, user.id);
  return user;
}
