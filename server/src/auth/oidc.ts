import { Email } from "@ents-backend/schemas/user";
import { EncryptJWT, jwtDecrypt } from "jose";
import * as client from "openid-client";
import { Value } from "typebox/value";
import { defineError } from "../lib/errors.ts";
import type { Identity } from "./identities.ts";
import { openIssuer, type Issuer, type ProviderSettings } from "./issuer.ts";

const patience_s = 10 * 60;
const longestName = 100;

const notConfigured = defineError(
  "not_found",
  "no_identity_provider",
  "No identity provider is set up here",
);
const providerAway = defineError(
  "unavailable",
  "identity_provider_away",
  "The identity provider can't be reached",
);
const loginFailed = defineError(
  "invalid",
  "login_failed",
  "The identity provider's answer doesn't fit: {reason}",
);
const loginForgotten = defineError(
  "invalid",
  "login_forgotten",
  "This login began elsewhere or too long ago; begin again",
);

/** What a browser keeps, sealed, between the two halves of a login. */
interface Attempt {
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
}

/** Logging in through an OpenID Connect issuer: authorisation code with PKCE, state and nonce. */
export class IdentityProvider {
  readonly #settings: ProviderSettings | undefined;
  readonly #seal: Uint8Array;
  #opened: Promise<Issuer> | undefined;

  /** @param seal 256 bits that seal what browsers keep */
  constructor(settings: ProviderSettings | undefined, seal: Uint8Array) {
    this.#settings = settings;
    this.#seal = seal;
  }

  /**
   * Begins a login.
   *
   * @param now Unix seconds
   * @returns the URL to send the browser to, and what it must keep until it comes back
   */
  async begin(now: number): Promise<{ url: string; sealed: string; lasts_s: number }> {
    const { redirectUri, configurations } = await this.#open();
    const attempt: Attempt = {
      verifier: client.randomPKCECodeVerifier(),
      state: client.randomState(),
      nonce: client.randomNonce(),
    };
    const url = client.buildAuthorizationUrl(configurations[0], {
      redirect_uri: redirectUri,
      scope: "openid email profile",
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: "S256",
      state: attempt.state,
      nonce: attempt.nonce,
    });
    return { url: url.href, sealed: await this.#sealAttempt(attempt, now), lasts_s: patience_s };
  }

  /**
   * Ends a login: trades the code for the identity.
   *
   * @param answer the query that the browser came back with; older dashboards hand on the code alone
   * @param sealed what the browser kept
   * @param now Unix seconds
   * @throws KnownError when the answer isn't one to this browser's login, or the issuer refuses it
   */
  async finish(answer: Answer, sealed: string | undefined, now: number): Promise<Identity> {
    const attempt = await this.#unseal(sealed, now);
    const { redirectUri, configurations } = await this.#open();
    const url = new URL(redirectUri);
    // Only who holds the sealed attempt gets this far, so what wasn't handed on is known to fit.
    url.search = new URLSearchParams({
      code: answer.code,
      state: answer.state ?? attempt.state,
      iss: answer.iss ?? configurations[0].serverMetadata().issuer,
    }).toString();
    try {
      return await trade(configurations, url, attempt);
    } catch (error) {
      throw explain(error);
    }
  }

  async #open(): Promise<Issuer> {
    if (!this.#settings) throw notConfigured();
    this.#opened ??= openIssuer(this.#settings);
    try {
      return await this.#opened;
    } catch (cause) {
      this.#opened = undefined;
      throw Object.assign(providerAway(), { cause });
    }
  }

  async #sealAttempt(attempt: Attempt, now: number): Promise<string> {
    return await new EncryptJWT({ ...attempt })
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .setExpirationTime(Math.floor(now) + patience_s)
      .encrypt(this.#seal);
  }

  async #unseal(sealed: string | undefined, now: number): Promise<Attempt> {
    try {
      const { payload } = await jwtDecrypt<Attempt>(sealed ?? "", this.#seal, {
        keyManagementAlgorithms: ["dir"],
        contentEncryptionAlgorithms: ["A256GCM"],
        requiredClaims: ["exp", "verifier", "state", "nonce"],
        currentDate: new Date(now * 1000),
      });
      return payload;
    } catch {
      throw loginForgotten();
    }
  }
}

/** What an issuer's answer brings. */
interface Answer {
  readonly code: string;
  readonly state?: string | undefined;
  readonly iss?: string | undefined;
}

/** Trades the code in the URL, in whichever way the issuer takes the client's secret. */
async function trade(
  [configuration, ...others]: readonly client.Configuration[],
  url: URL,
  attempt: Attempt,
): Promise<Identity> {
  try {
    const tokens = await client.authorizationCodeGrant(configuration!, url, {
      pkceCodeVerifier: attempt.verifier,
      expectedState: attempt.state,
      expectedNonce: attempt.nonce,
      idTokenExpected: true,
    });
    return toIdentity(await claimsOf(configuration!, tokens));
  } catch (error) {
    if (others.length > 0 && isClientRefused(error)) return await trade(others, url, attempt);
    throw error;
  }
}

function isClientRefused(error: unknown): boolean {
  if (error instanceof client.ResponseBodyError) return error.error === "invalid_client";
  return error instanceof client.WWWAuthenticateChallengeError;
}

type Claims = client.IDToken;

/** Issuers may tell the address in the ID token, or only when they are asked for it. */
async function claimsOf(
  configuration: client.Configuration,
  tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers,
): Promise<Claims> {
  const claims = tokens.claims()!;
  if (claims["email"] !== undefined || !configuration.serverMetadata().userinfo_endpoint)
    return claims;
  const more = await client.fetchUserInfo(configuration, tokens.access_token, claims.sub);
  return { ...more, ...claims };
}

/** What may be told of a failure. */
function explain(cause: unknown): Error {
  const away =
    cause instanceof TypeError ||
    (cause instanceof client.ClientError && cause.code === "OAUTH_TIMEOUT");
  if (away) return Object.assign(providerAway(), { cause });
  if (cause instanceof client.ResponseBodyError) return loginFailed({ reason: cause.error });
  return loginFailed({ reason: cause instanceof Error ? cause.message : "unknown" });
}

function toIdentity(claims: Claims): Identity {
  if (claims.sub.includes("\0")) throw new Error("the subject holds a NUL");
  const email = claims["email"];
  const name = (key: string): string => toName(claims[key]);
  return {
    issuer: claims.iss,
    subject: claims.sub,
    email: Value.Check(Email, email) ? email.trim() : undefined,
    emailVerified: claims["email_verified"] === true || claims["email_verified"] === "true",
    firstName: name("given_name") || name("name"),
    lastName: name("family_name"),
  };
}

/** A name as it may be stored: issuers promise nothing of theirs. */
function toName(claim: unknown): string {
  if (typeof claim !== "string") return "";
  const text = claim
    .toWellFormed()
    .replace(/\p{Cc}/gu, " ")
    .trim();
  return Array.from(text).slice(0, longestName).join("");
}
