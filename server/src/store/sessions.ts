import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { hashSecret, randomSecret } from "../lib/secret.ts";

const slides_s = 24 * 3600;
const lasts_s = 30 * 24 * 3600;
/** Two tabs of one browser may refresh with the same token at the same moment. */
const grace_s = 10;

export interface Session {
  readonly id: string;
  readonly userId: string;
}

/** What came of a refresh token that was presented. */
type Refreshed =
  | { readonly outcome: "refreshed"; readonly session: Session; readonly token: string }
  | { readonly outcome: "unknown" | "expired" | "revoked" };

/**
 * Begins a session. The user's sessions that have been over for long are forgotten.
 *
 * @param now Unix seconds
 * @returns the session and its first refresh token
 */
export async function createSession(
  db: Db,
  userId: string,
  now: number,
): Promise<{ session: Session; token: string }> {
  const at = new Date(now * 1000);
  await db
    .deleteFrom("session")
    .where("account_id", "=", userId)
    .where("created_at", "<", new Date((now - lasts_s - slides_s) * 1000))
    .execute();
  const { id } = await db
    .insertInto("session")
    .values({ account_id: userId, created_at: at, advanced_at: at })
    .returning("id")
    .executeTakeFirstOrThrow();
  return { session: { id, userId }, token: await issueToken(db, id, 0, now + slides_s) };
}

/**
 * Trades a refresh token for the next one. Tokens have generations: one of the current generation begins the
 * next; one of the generation just before, within some seconds, gets another of the current; any other that comes
 * again is stolen, by its user or from them, and ends the whole session.
 *
 * Source: RFC 9700, 4.14.2 (refresh token rotation).
 *
 * @param now Unix seconds
 */
export async function refreshSession(db: Db, token: string, now: number): Promise<Refreshed> {
  return await db.transaction().execute(async (transaction) => {
    const found = await findToken(transaction, token);
    if (!found) return { outcome: "unknown" };
    if (found.revoked_at) return { outcome: "revoked" };
    const end = found.created_at.getTime() / 1000 + lasts_s;
    if (now >= Math.min(found.expires_at.getTime() / 1000, end)) return { outcome: "expired" };
    const generation = await advance(transaction, found, now);
    if (generation === undefined) return { outcome: "revoked" };
    const next = await issueToken(
      transaction,
      found.session_id,
      generation,
      Math.min(now + slides_s, end),
    );
    return {
      outcome: "refreshed",
      session: { id: found.session_id, userId: found.account_id },
      token: next,
    };
  });
}

/** Whether a session goes on: what its access tokens are worth. */
export async function findSession(
  db: Db,
  id: string,
): Promise<(Session & { readonly admin: boolean }) | undefined> {
  return await db
    .selectFrom("session")
    .innerJoin("account", "account.id", "session.account_id")
    .select(["session.id as id", "account.id as userId", "admin"])
    .where("session.id", "=", id)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
}

/** When a session began, and when it ends at the latest. */
export async function getSessionTimes(
  db: Db,
  id: string,
): Promise<{ createdAt: Date; endsAt: Date }> {
  const { created_at: createdAt } = await db
    .selectFrom("session")
    .select("created_at")
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return { createdAt, endsAt: new Date(createdAt.getTime() + lasts_s * 1000) };
}

/** The session that a refresh token was issued in, whether or not they are still good. */
export async function findSessionOf(db: Db, token: string): Promise<Session | undefined> {
  return await db
    .selectFrom("refresh_token")
    .innerJoin("session", "session.id", "refresh_token.session_id")
    .select(["session.id as id", "account_id as userId"])
    .where("hash", "=", hashSecret(token))
    .executeTakeFirst();
}

/** Ends a session, and its access tokens with it. @returns whether it went on until now */
export async function revokeSession(db: Db, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("session")
    .set({ revoked_at: new Date(now * 1000) })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Ends all sessions of a user, but for one. */
export async function revokeOtherSessions(
  db: Db,
  userId: string,
  keep: string | undefined,
  now: number,
): Promise<void> {
  let query = db
    .updateTable("session")
    .set({ revoked_at: new Date(now * 1000) })
    .where("account_id", "=", userId);
  if (keep !== undefined) query = query.where("id", "!=", keep);
  await query.where("revoked_at", "is", null).execute();
}

interface FoundToken {
  readonly session_id: string;
  readonly account_id: string;
  readonly token_generation: number;
  readonly generation: number;
  readonly expires_at: Date;
  readonly created_at: Date;
  readonly advanced_at: Date;
  readonly revoked_at: Date | null;
}

/** The token and its session, which stays locked until the commit: refreshes of one session queue. */
async function findToken(db: Db, token: string): Promise<FoundToken | undefined> {
  const { rows } = await sql<FoundToken>`
    select session.id as session_id, account_id, refresh_token.generation as token_generation,
      session.generation as generation, expires_at, created_at, advanced_at, revoked_at
    from session join refresh_token on session_id = session.id
    where hash = ${hashSecret(token)} for update of session`.execute(db);
  return rows[0];
}

/** @returns the generation of the token to issue, or undefined when the session had to be ended */
async function advance(db: Db, found: FoundToken, now: number): Promise<number | undefined> {
  const { session_id, token_generation, generation, advanced_at } = found;
  if (token_generation === generation) {
    await forgetExpiredTokens(db, session_id, now);
    await db
      .updateTable("session")
      .set({ generation: generation + 1, advanced_at: new Date(now * 1000) })
      .where("id", "=", session_id)
      .execute();
    return generation + 1;
  }
  if (token_generation === generation - 1 && now - advanced_at.getTime() / 1000 <= grace_s)
    return generation;
  await revokeSession(db, session_id, now);
  return undefined;
}

async function issueToken(
  db: Db,
  sessionId: string,
  generation: number,
  expires: number,
): Promise<string> {
  const token = randomSecret(32);
  await db
    .insertInto("refresh_token")
    .values({
      hash: hashSecret(token),
      session_id: sessionId,
      generation,
      expires_at: new Date(expires * 1000),
    })
    .execute();
  return token;
}

/** Ends nothing and frees nobody: what has expired is refused whether we know it or not. */
async function forgetExpiredTokens(db: Db, sessionId: string, now: number): Promise<void> {
  await db
    .deleteFrom("refresh_token")
    .where("session_id", "=", sessionId)
    .where("expires_at", "<", new Date(now * 1000))
    .execute();
}
