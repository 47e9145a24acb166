import { randomUUID } from "node:crypto";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { createSession } from "../../src/store/sessions.ts";
import { createUser, updateUser } from "../../src/store/users.ts";
import { testDeps, type TestApi } from "./api.ts";

/** Someone with an account and a session that has just begun. */
export interface TestUser {
  readonly id: string;
  readonly email: string;
  /** What their browser sends: `Authorization`, good for 15 minutes of the test's clock. */
  readonly headers: { readonly authorization: string };
}

/** A user of their own for one test, logged in. */
export async function newUser(
  api: Pick<TestApi, "db" | "now">,
  { admin = false, passwordHash }: { admin?: boolean; passwordHash?: string } = {},
): Promise<TestUser> {
  const { id, email } = await createUser(api.db, {
    email: `user-${randomUUID()}@example.org`,
    firstName: "Test",
    lastName: "User",
    passwordHash,
  });
  if (admin) await updateUser(api.db, id, { admin });
  return { id, email, headers: await logIn(api, id) };
}

/** Begins another session of a user. */
export async function logIn(
  api: Pick<TestApi, "db" | "now">,
  userId: string,
): Promise<TestUser["headers"]> {
  const { session } = await createSession(api.db, userId, api.now);
  const { tokens } = testDeps(api.db, () => api.now);
  return { authorization: `Bearer ${await signAccessToken(tokens, session, api.now)}` };
}
