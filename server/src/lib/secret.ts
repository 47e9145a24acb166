import { createHash, randomBytes } from "node:crypto";

/** Random characters that stand in URLs and headers as they are: 4 for every 3 bytes. */
export function randomSecret(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

/**
 * What is stored of a secret of at least 128 random bits: enough to know it again, nothing to use. (Passwords are
 * not random and need a slow hash.)
 */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
