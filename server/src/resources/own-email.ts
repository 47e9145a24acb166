import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { getUser } from "../store/users.ts";

const notYourEmail = defineError(
  "forbidden",
  "not_your_email",
  "userEmail is someone else's: what you make is yours; share it, or hand it over, once it is there",
);

/**
 * Older clients say whose a thing is to be, where now it is the caller's.
 *
 * @throws KnownError when they name someone else, whether or not there is such a user
 */
export async function requireOwnEmail(
  db: Db,
  userId: string,
  userEmail: string | null | undefined,
): Promise<void> {
  if (!userEmail) return;
  const { email } = await getUser(db, userId);
  if (email.toLowerCase() !== userEmail.trim().toLowerCase()) throw notYourEmail();
}
