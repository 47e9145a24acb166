import { hash, verify } from "@node-rs/argon2";
import { defineError } from "../lib/errors.ts";
import { commonPasswords } from "./common-passwords.ts";

const shortest = 10;
const longest = 200;

const tooShort = defineError(
  "invalid",
  "password_too_short",
  `password must have at least ${shortest} characters`,
);
const tooLong = defineError(
  "invalid",
  "password_too_long",
  `password must have at most ${longest} characters`,
);
const tooCommon = defineError(
  "invalid",
  "password_too_common",
  "password is one of the commonest; choose another",
);

/** Source: OWASP Password Storage Cheat Sheet: argon2id (the library's default), 19 MiB, 2 passes. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes a new password. @throws KnownError when it is too short, too long or one of the commonest */
export async function hashPassword(password: string): Promise<string> {
  const normal = normalize(password);
  const characters = Array.from(normal).length;
  if (characters < shortest) throw tooShort();
  if (characters > longest) throw tooLong();
  if (commonPasswords.has(normal.toLowerCase())) throw tooCommon();
  return await hash(normal, cost);
}

/** Of no password: checking against it takes as long as against any other. */
const nobodysHash = hash("the password of nobody at all", cost);

/**
 * Whether a password fits its hash. Without a hash (no such account, or one without a password) the answer is
 * no, after the same time.
 */
export async function checkPassword(
  password: string,
  expected: string | null | undefined,
): Promise<boolean> {
  const fits = await verify(expected ?? (await nobodysHash), normalize(password));
  return fits && typeof expected === "string";
}

/** Keyboards compose letters in different ways. Source: NIST SP 800-63B, 3.1.1.2. */
function normalize(password: string): string {
  return password.normalize("NFKC");
}
