import { errors, jwtVerify, SignJWT } from "jose";
import { defineError } from "../lib/errors.ts";
import type { Session } from "../store/sessions.ts";

const lifetime_s = 15 * 60;

const tokenExpired = defineError("unauthenticated", "token_expired", "Token expired");
const tokenInvalid = defineError("forbidden", "token_invalid", "Invalid token");

export interface TokenSettings {
  /** At least 256 random bits. */
  readonly secret: Uint8Array;
  /** The public URL: who issues the tokens, and whom they are for. */
  readonly issuer: string;
}

/** What an access token says. */
export interface Claims {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * Signs an access token of 15 minutes: HS256, with claims `uid`, `sid`, `iss`, `aud`, `iat`, `exp`.
 *
 * @param now Unix seconds
 */
export async function signAccessToken(
  { secret, issuer }: TokenSettings,
  session: Session,
  now: number,
): Promise<string> {
  const issuedAt = Math.floor(now);
  return await new SignJWT({ uid: session.userId, sid: session.id })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetime_s)
    .sign(secret);
}

/**
 * Checks an access token: algorithm, signature, issuer, audience, times, and that both ids are there.
 *
 * @param now Unix seconds
 * @throws KnownError: 401 when it has expired, 403 for anything else
 */
export async function verifyAccessToken(
  { secret, issuer }: TokenSettings,
  token: string,
  now: number,
): Promise<Claims> {
  try {
    const { payload } = await jwtVerify(token, secret, {
      algorithms: ["HS256"],
      issuer,
      audience: issuer,
      typ: "JWT",
      currentDate: new Date(now * 1000),
      maxTokenAge: lifetime_s,
      requiredClaims: ["uid", "sid", "exp", "iat"],
    });
    const { uid, sid } = payload;
    if (!isUuid(uid) || !isUuid(sid)) throw tokenInvalid();
    return { userId: uid, sessionId: sid };
  } catch (error) {
    throw error instanceof errors.JWTExpired ? tokenExpired() : tokenInvalid();
  }
}

function isUuid(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}
